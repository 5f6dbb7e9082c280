#include "core/ids.h"

#include <gtest/gtest.h>

#include "core/texts.h"

namespace ordergate::core {
namespace {

class IdsTest : public ::testing::Test {
 protected:
  std::uint32_t order(const OrderId& id) {
    const std::uint32_t index = orders_.append();
    orders_[index].id = id;
    ids_.add_order(id, index);
    return index;
  }
  std::uint32_t cancel(const OrderId& id) {
    const std::uint32_t index = cancels_.append();
    cancels_[index].id = id;
    ids_.add_cancel(id, index);
    return index;
  }

  Orders orders_;
  ChunkedPool<CancelRecord> cancels_;
  Ids ids_{orders_, cancels_};
};

TEST_F(IdsTest, OrdersAndCancelsAreToldApart) {
  const std::uint32_t a = order({1, 1});
  const std::uint32_t b = cancel({2, 2});
  EXPECT_EQ(ids_.find({1, 1}).order, a);
  EXPECT_EQ(ids_.find({1, 1}).cancel, 0u);
  EXPECT_EQ(ids_.find({2, 2}).cancel, b);
  EXPECT_FALSE(ids_.find({3, 3}));
}

TEST_F(IdsTest, IdsOfEqualHashAreToldApart) {
  constexpr OrderId kOne{0, 0};
  constexpr OrderId kOther{1, std::uint64_t{1} << 32};  // the halves cancel out in hash()
  ASSERT_EQ(kOne.hash(), kOther.hash());
  const std::uint32_t one = order(kOne);
  EXPECT_FALSE(ids_.find(kOther));
  const std::uint32_t other = order(kOther);
  EXPECT_EQ(ids_.find(kOne).order, one);
  EXPECT_EQ(ids_.find(kOther).order, other);
}

TEST_F(IdsTest, EverythingIsFoundAgainAfterGrowth) {
  for (std::uint64_t i = 1; i <= 100'000; ++i) i % 3 == 0 ? cancel({i, i * i}) : order({i, i * i});
  for (std::uint64_t i = 1; i <= 100'000; ++i) {
    const Known known = ids_.find({i, i * i});
    ASSERT_EQ(known.cancel != 0, i % 3 == 0);
    ASSERT_EQ(known.order != 0, i % 3 != 0);
  }
  EXPECT_FALSE(ids_.find({1, 2}));
}

TEST(TextsTest, TextsOfEveryLengthComeBack) {
  Texts texts;
  std::vector<TextRef> refs;
  for (int round = 0; round < 300; ++round) {
    for (std::size_t length = 1; length <= kCommandIdMax; ++length) {
      refs.push_back(texts.add(std::string(length, static_cast<char>('a' + round % 26))));
    }
  }
  for (std::size_t i = 0; i < refs.size(); ++i) {
    const auto letter = static_cast<char>('a' + i / kCommandIdMax % 26);
    ASSERT_EQ(texts.get(refs[i]), std::string(i % kCommandIdMax + 1, letter));
  }
}

}  // namespace
}  // namespace ordergate::core
