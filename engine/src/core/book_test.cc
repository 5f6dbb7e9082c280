// The two tiers of a book, from outside: prices near and far, and the window that moves.
#include "core/book.h"

#include <gtest/gtest.h>

#include <vector>

namespace ordergate::core {
namespace {

class BookTest : public ::testing::Test {
 protected:
  std::uint32_t rest(Side side, std::int64_t price, std::int64_t quantity = 1) {
    const std::uint32_t node = ++used_;
    nodes_[node] = {
        .leaves = {quantity}, .price = {price}, .next = 0, .prev = 0, .account = 0, .rests = true, .iceberg = false};
    book_.push_back(side, node);
    return node;
  }
  std::vector<std::int64_t> prices(Side side) const {
    std::vector<std::int64_t> found;
    for (Price at = book_.best(side); at != Book::none(side); at = book_.worse(side, at)) found.push_back(at.value);
    return found;
  }

  NodePool nodes_{100'000};
  std::uint32_t used_ = 0;
  Book book_{nodes_};
};

using Prices = std::vector<std::int64_t>;

TEST_F(BookTest, NoLimitCrossesAnEmptySide) {
  EXPECT_FALSE(book_.crosses(Side::kBuy, kMarketBuy));
  EXPECT_FALSE(book_.crosses(Side::kSell, kMarketSell));
}

TEST_F(BookTest, PricesFarApartAreStillInOrder) {
  for (const std::int64_t price : {50'000, 49'999, 1, 20'000, 49'000}) rest(Side::kBuy, price);
  for (const std::int64_t price : {50'001, 90'000, 50'070, 1'000'000'000}) rest(Side::kSell, price);
  EXPECT_EQ(prices(Side::kBuy), (Prices{50'000, 49'999, 49'000, 20'000, 1}));
  EXPECT_EQ(prices(Side::kSell), (Prices{50'001, 50'070, 90'000, 1'000'000'000}));
}

TEST_F(BookTest, BestFallsToTheFarTierAndComesBack) {
  const std::uint32_t near = rest(Side::kBuy, 50'000);
  rest(Side::kBuy, 1);
  book_.remove(Side::kBuy, near);
  EXPECT_EQ(book_.best(Side::kBuy), Price{1});
  rest(Side::kBuy, 50'001);
  EXPECT_EQ(prices(Side::kBuy), (Prices{50'001, 1}));
}

TEST_F(BookTest, WindowEdgesHoldLevels) {
  rest(Side::kBuy, 50'000);  // centre
  const std::int64_t low = 50'000 - Ladder::kTicks / 2;
  for (const std::int64_t price : {low - 1, low, low + 1, low + 63, low + 64}) rest(Side::kBuy, price);
  const std::int64_t high = low + Ladder::kTicks - 1;
  for (const std::int64_t price : {high + 1, high, high - 1}) rest(Side::kSell, price);
  EXPECT_EQ(prices(Side::kBuy), (Prices{50'000, low + 64, low + 63, low + 1, low, low - 1}));
  EXPECT_EQ(prices(Side::kSell), (Prices{high - 1, high, high + 1}));
}

TEST_F(BookTest, WindowThatMovesKeepsQueuesAndQuantities) {
  rest(Side::kBuy, 1000, 3);
  rest(Side::kBuy, 1000, 4);
  for (int i = 0; i < 5000; ++i) rest(Side::kSell, 900'000 + i % 50, 2);  // far, and enough to let it move
  const std::uint32_t jump = rest(Side::kBuy, 899'000, 5);                // betters the touch: the window follows
  EXPECT_EQ(prices(Side::kBuy), (Prices{899'000, 1000}));
  EXPECT_EQ(book_.quantity_at(Side::kBuy, {1000}), Quantity{7});
  EXPECT_EQ(book_.quantity_at(Side::kSell, {900'049}), Quantity{200});
  EXPECT_EQ(prices(Side::kSell).size(), 50u);
  book_.remove(Side::kBuy, jump);
  EXPECT_EQ(book_.front(Side::kBuy), 1u);
}

TEST_F(BookTest, QuantityAtAPriceOfTheOtherSideIsNone) {
  rest(Side::kBuy, 100, 3);
  rest(Side::kSell, 101, 4);
  EXPECT_EQ(book_.quantity_at(Side::kSell, {100}), Quantity{0});
  EXPECT_EQ(book_.quantity_at(Side::kBuy, {101}), Quantity{0});
}

TEST_F(BookTest, FillableIsSummedOverLevelsUpToTheLimit) {
  rest(Side::kSell, 100, 2);
  rest(Side::kSell, 101, 2);
  rest(Side::kSell, 90'000, 2);  // far tier
  EXPECT_TRUE(book_.can_fill(Side::kBuy, {101}, {4}));
  EXPECT_FALSE(book_.can_fill(Side::kBuy, {101}, {5}));
  EXPECT_FALSE(book_.can_fill(Side::kBuy, {89'999}, {5}));
  EXPECT_TRUE(book_.can_fill(Side::kBuy, {90'000}, {6}));
  EXPECT_FALSE(book_.can_fill(Side::kBuy, kMarketBuy, {7}));
}

TEST_F(BookTest, HiddenPartsCountForFillOrKillOnly) {
  rest(Side::kSell, 100, 2);
  book_.hide(Side::kSell, {100}, {7});
  EXPECT_EQ(book_.quantity_at(Side::kSell, {100}), Quantity{2});
  EXPECT_EQ(book_.hidden_at(Side::kSell, {100}), Quantity{7});
  EXPECT_TRUE(book_.can_fill(Side::kBuy, {100}, {9}));
  EXPECT_FALSE(book_.can_fill(Side::kBuy, {100}, {10}));
  book_.hide(Side::kSell, {100}, {-7});
  EXPECT_FALSE(book_.can_fill(Side::kBuy, {100}, {3}));
}

}  // namespace
}  // namespace ordergate::core
