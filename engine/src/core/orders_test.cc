// The table by which an id finds its order, and which orders are held.
#include "core/orders.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>

#include "testing/random.h"

namespace ordergate::core {
namespace {

class OrdersTest : public ::testing::Test {
 protected:
  static std::uint32_t enter(Orders& orders, const OrderId& id) {
    const std::uint32_t index = orders.acquire(id);
    orders[index].id = id;
    orders[index].status = OrderStatus::kOpen;
    return index;
  }
  static void end(Orders& orders, std::uint32_t index) {
    orders[index].status = OrderStatus::kFilled;
    orders.end(index);
  }
};

TEST_F(OrdersTest, IdsOfEqualHashAreToldApart) {
  constexpr OrderId kOne{0, 0};
  constexpr OrderId kOther{0, std::uint64_t{1} << 32};
  ASSERT_EQ(kOne.place(), kOther.place());
  ASSERT_EQ(kOne.tag(), kOther.tag());
  Orders orders(10, 10);
  const std::uint32_t one = enter(orders, kOne);
  EXPECT_EQ(orders.find(kOther), 0u);
  const std::uint32_t other = enter(orders, kOther);
  EXPECT_EQ(orders.find(kOne), one);
  EXPECT_EQ(orders.find(kOther), other);
}

TEST_F(OrdersTest, EndedOrderIsForgottenWhenEnoughOthersEndedAndOneComesIn) {
  Orders orders(10, 2);
  for (std::uint64_t i = 1; i <= 4; ++i) end(orders, enter(orders, {i, 0}));
  // The fourth one came in when three had ended: the first of them was one too many.
  EXPECT_EQ(orders.find({1, 0}), 0u);
  EXPECT_NE(orders.find({2, 0}), 0u);
  enter(orders, {5, 0});
  EXPECT_EQ(orders.find({2, 0}), 0u);
  EXPECT_NE(orders.find({3, 0}), 0u);
}

// A frame's look-ahead finds an order, the frame forgets it, and the hint is used: it must not come back.
TEST_F(OrdersTest, HintDoesNotBringBackAnOrderThatWasForgotten) {
  Orders orders(10, 0);
  const std::uint32_t one = enter(orders, {1, 0});
  EXPECT_EQ(orders.find({1, 0}, one), one);
  end(orders, one);
  EXPECT_EQ(orders.find({1, 0}, one), one) << "held until another comes in";
  enter(orders, {2, 0});
  EXPECT_EQ(orders.find({1, 0}, one), 0u);
}

TEST_F(OrdersTest, RecordIsNotUsedAgainInTheFrameThatForgotIt) {
  Orders orders(10, 0);
  const std::uint32_t one = enter(orders, {1, 0});
  end(orders, one);
  EXPECT_NE(enter(orders, {2, 0}), one);
  EXPECT_NE(enter(orders, {3, 0}), one);
  orders.begin_frame();
  EXPECT_EQ(enter(orders, {4, 0}), one);
}

TEST_F(OrdersTest, AgreesWithAMapOverManyOrders) {
  constexpr std::size_t kEnded = 100;
  Orders orders(50'000, kEnded);
  std::map<std::uint64_t, std::uint32_t> held;
  std::deque<std::uint64_t> ended;
  std::vector<std::uint64_t> open;
  testing::Random random(3);
  for (std::uint64_t i = 1; i <= 200'000; ++i) {
    if (i % 50 == 0) orders.begin_frame();
    if (open.size() < 40'000 && random.below(5) > 1) {
      if (ended.size() > kEnded) {
        held.erase(ended.front());
        ended.pop_front();
      }
      const std::uint64_t id = i * 0x10001;  // runs of neighbours in the table
      held[id] = enter(orders, {id, 0});
      open.push_back(id);
    } else if (!open.empty()) {
      const auto at = static_cast<std::size_t>(random.below(static_cast<std::int64_t>(open.size())));
      end(orders, held[open[at]]);
      ended.push_back(open[at]);
      open[at] = open.back();
      open.pop_back();
    }
    const std::uint64_t asked = (1 + static_cast<std::uint64_t>(random.below(static_cast<std::int64_t>(i)))) * 0x10001;
    const auto found = held.find(asked);
    ASSERT_EQ(orders.find({asked, 0}), found == held.end() ? 0 : found->second) << "step " << i;
  }
  for (const auto& [id, index] : held) ASSERT_EQ(orders.find({id, 0}), index);
}

}  // namespace
}  // namespace ordergate::core
