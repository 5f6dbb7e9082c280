// What readers of the books are told adds up to the books.
#include "rpc/book_feed.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>

#include "testing/domains.h"
#include "testing/flow.h"

namespace ordergate::rpc {
namespace {

using core::Side;
using engine::v1::BookUpdate;
using engine::v1::FollowBooksResponse;
using testing::Commands;
using testing::New;

// Both sides of one book: price to quantity.
struct Depth {
  std::map<std::int64_t, std::int64_t> bids, asks;
  bool operator==(const Depth&) const = default;
};

Depth depth_of(const core::Engine& engine, std::uint32_t instrument) {
  Depth depth;
  const core::Book& book = engine.book(instrument);
  for (const Side side : {Side::kBuy, Side::kSell}) {
    auto& levels = side == Side::kBuy ? depth.bids : depth.asks;
    for (core::Price price = book.best(side); price != core::Book::none(side); price = book.worse(side, price)) {
      levels[price.value] = book.quantity_at(side, price).value;
    }
  }
  return depth;
}

// A reader as the gateway is one.
class Reader {
 public:
  Reader(const core::Engine& engine, BookFeed& feed, std::vector<std::uint32_t> instruments)
      : feed_(feed), follower_(engine, std::move(instruments), [this] { ++woken_; }) {
    feed_.add(follower_);
  }
  ~Reader() { feed_.remove(follower_); }

  // Takes one response. Its updates, which were found to be in order.
  FollowBooksResponse take() {
    FollowBooksResponse response;
    const bool any = follower_.take(response);
    EXPECT_EQ(any, response.updates_size() != 0);
    for (const BookUpdate& update : response.updates()) apply(update);
    return response;
  }
  const Depth& depth(const std::string& symbol) { return books_[symbol]; }
  int woken() const { return woken_; }

 private:
  void apply(const BookUpdate& update) {
    Depth& book = books_[update.symbol()];
    EXPECT_EQ(update.seq(), ++seqs_[update.symbol()]);
    EXPECT_TRUE(update.snapshot() || update.seq() > 1) << "the first is a snapshot";
    if (update.snapshot()) book = {};
    apply_side(update.bids(), book.bids, update.snapshot(), [](auto a, auto b) { return a > b; });
    apply_side(update.asks(), book.asks, update.snapshot(), [](auto a, auto b) { return a < b; });
  }

  template <class Levels, class Better>
  static void apply_side(const Levels& levels, std::map<std::int64_t, std::int64_t>& side, bool snapshot,
                         Better better) {
    std::optional<std::int64_t> before;
    for (const auto& level : levels) {
      if (before) {
        EXPECT_TRUE(better(*before, level.price_ticks()));
      }
      before = level.price_ticks();
      const auto known = side.find(level.price_ticks());
      EXPECT_NE(known == side.end() ? 0 : known->second, level.quantity_lots()) << "a change that is none";
      EXPECT_FALSE(snapshot && level.quantity_lots() == 0);
      side.erase(level.price_ticks());
      if (level.quantity_lots() != 0) side[level.price_ticks()] = level.quantity_lots();
    }
  }

  BookFeed& feed_;
  BookFollower follower_;
  std::map<std::string, Depth> books_;
  std::map<std::string, std::uint64_t> seqs_;
  int woken_ = 0;
};

class BookFeedTest : public ::testing::Test {
 protected:
  void apply(const std::vector<testing::Command>& list, std::int64_t time = 1) {
    Commands commands(list);
    sink_.clear();
    engine_->apply(commands.frame(), {time}, sink_);
    feed_->applied(sink_);
  }
  void make(const core::EngineConfig& config) {
    feed_.reset();
    engine_ = std::make_unique<core::Engine>(config);
    feed_ = std::make_unique<BookFeed>(*engine_);
  }
  void SetUp() override { make(testing::config_of({.label = "", .ids = 1, .prices = 1, .open_orders_max = 100'000})); }

  std::unique_ptr<core::Engine> engine_;
  std::unique_ptr<BookFeed> feed_;
  core::EventSink sink_;
};

TEST_F(BookFeedTest, BeginsWithSnapshotsThenTellsChangesOnly) {
  apply({New{.id = "a", .price = 100, .quantity = 5}, New{.id = "b", .price = 99, .quantity = 7}});
  Reader reader(*engine_, *feed_, {0, 1});
  const FollowBooksResponse first = reader.take();
  ASSERT_EQ(first.updates_size(), 2);
  EXPECT_TRUE(first.updates(0).snapshot());
  EXPECT_EQ(first.updates(0).symbol(), "ACME");
  EXPECT_EQ(first.updates(0).bids(0).price_ticks(), 100);
  EXPECT_EQ(first.updates(0).bids(1).quantity_lots(), 7);
  EXPECT_TRUE(first.updates(1).snapshot()) << "an empty book is told, too";
  EXPECT_EQ(reader.take().updates_size(), 0);

  apply({New{.id = "c", .side = Side::kSell, .price = 100, .quantity = 2, .account = "bob"}}, 77);
  EXPECT_EQ(reader.woken(), 1);
  const FollowBooksResponse change = reader.take();
  ASSERT_EQ(change.updates_size(), 1);
  EXPECT_FALSE(change.updates(0).snapshot());
  EXPECT_EQ(change.updates(0).engine_time_ns(), 77u);
  EXPECT_EQ(change.updates(0).bids_size(), 1) << "the other level is as it was";
  EXPECT_EQ(change.updates(0).bids(0).quantity_lots(), 3);
  EXPECT_EQ(change.updates(0).asks_size(), 0) << "the taker did not rest";
}

TEST_F(BookFeedTest, OnlyVisibleQuantityIsTold) {
  Reader reader(*engine_, *feed_, {0});
  apply({New{.id = "a", .price = 100, .quantity = 50, .display = 10}});
  reader.take();
  EXPECT_EQ(reader.depth("ACME").bids.at(100), 10);
  apply({New{.id = "b", .side = Side::kSell, .price = 100, .quantity = 13, .account = "bob"}});
  reader.take();
  EXPECT_EQ(reader.depth("ACME").bids.at(100), 7);
}

TEST_F(BookFeedTest, LevelThatAnAmendedOrderLeftIsTold) {
  apply({New{.id = "a", .price = 100, .quantity = 5}});
  Reader reader(*engine_, *feed_, {0});
  reader.take();
  apply({testing::Amend{.id = "m", .target = "a", .price = 90}, testing::Amend{.id = "n", .target = "a", .price = 95}});
  const FollowBooksResponse change = reader.take();
  ASSERT_EQ(change.updates_size(), 1);
  EXPECT_EQ(change.updates(0).bids_size(), 2) << "the level in between is as it was";
  EXPECT_EQ(reader.depth("ACME"), depth_of(*engine_, 0));
}

TEST_F(BookFeedTest, WaitingStopsAndRefusalsChangeNoBook) {
  Reader reader(*engine_, *feed_, {0});
  reader.take();
  apply({New{.id = "s", .price = 100, .stop_price = 101}, New{.id = "m", .time_in_force = core::TimeInForce::kIoc},
         New{.id = "n", .price = 5, .symbol = "NONE"}, testing::Cancel{.id = "c", .target = "?"}});
  EXPECT_EQ(reader.take().updates_size(), 0);
  apply({New{.id = "x", .price = 50}});
  EXPECT_EQ(reader.take().updates(0).seq(), 2u) << "no number was spent on them";
}

TEST_F(BookFeedTest, OnlyWhatIsFollowedIsTold) {
  Reader acme(*engine_, *feed_, {0});
  Reader zinc(*engine_, *feed_, {1});
  acme.take();
  zinc.take();
  apply({New{.id = "a", .price = 100'000, .symbol = "ZINC"}});
  EXPECT_EQ(acme.woken(), 0);
  EXPECT_EQ(zinc.woken(), 1);
  EXPECT_EQ(acme.take().updates_size(), 0);
  EXPECT_EQ(zinc.take().updates_size(), 1);
  {
    Reader gone(*engine_, *feed_, {0, 1});
  }
  apply({New{.id = "b", .price = 100'001, .symbol = "ZINC"}});
  EXPECT_EQ(zinc.woken(), 2);
}

TEST_F(BookFeedTest, ReaderThatFallsTooFarBehindGetsTheWholeBookAgain) {
  Reader reader(*engine_, *feed_, {0});
  reader.take();
  const auto orders = static_cast<std::int64_t>(2 * BookFollower::kTouchedMax);
  for (std::int64_t i = 0; i < orders; ++i) apply({New{.id = std::to_string(i), .price = 1 + i}});
  const FollowBooksResponse response = reader.take();
  ASSERT_EQ(response.updates_size(), 1);
  EXPECT_TRUE(response.updates(0).snapshot());
  EXPECT_EQ(response.updates(0).seq(), 2u);
  EXPECT_EQ(reader.depth("ACME"), depth_of(*engine_, 0));
}

TEST_F(BookFeedTest, BusyLevelsAloneDoNotMakeASnapshot) {
  Reader reader(*engine_, *feed_, {0});
  reader.take();
  const auto orders = static_cast<std::int64_t>(4 * BookFollower::kTouchedMax);
  for (std::int64_t i = 0; i < orders; ++i) apply({New{.id = std::to_string(i), .price = 1 + i % 10}});
  const FollowBooksResponse response = reader.take();
  ASSERT_EQ(response.updates_size(), 1);
  EXPECT_FALSE(response.updates(0).snapshot());
  EXPECT_EQ(reader.depth("ACME"), depth_of(*engine_, 0));
}

TEST_F(BookFeedTest, ResponseIsBounded) {
  core::EngineConfig config = testing::config_of({.label = "", .ids = 1, .prices = 1, .open_orders_max = 100'000});
  const core::InstrumentLimits pattern = config.instruments[0];
  config.instruments.clear();
  for (int i = 0; i < 10; ++i) {
    config.instruments.push_back(pattern);
    config.instruments.back().symbol = "S" + std::to_string(i);
  }
  make(config);
  for (int frame = 0; frame < 2; ++frame) {
    std::vector<testing::Command> orders;
    for (int i = frame * 40'000; i < (frame + 1) * 40'000; ++i) {
      orders.push_back(New{.id = std::to_string(i), .price = 1 + i, .symbol = "S" + std::to_string(i % 4 + frame)});
    }
    apply(orders);
  }
  Reader reader(*engine_, *feed_, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  int responses = 0;
  int updates = 0;
  for (FollowBooksResponse response = reader.take(); response.updates_size() != 0; response = reader.take()) {
    ++responses;
    updates += response.updates_size();
    EXPECT_LT(response.ByteSizeLong(), 2u << 20);
  }
  EXPECT_EQ(updates, 10);
  EXPECT_GT(responses, 1);
  for (std::uint32_t i = 0; i < 10; ++i) EXPECT_EQ(reader.depth("S" + std::to_string(i)), depth_of(*engine_, i));
}

class BookFeedFlow : public ::testing::TestWithParam<testing::Domain> {};

// Readers of different pace over random flows of every command: whenever one has taken all that is due, it has the
// books of that moment.
TEST_P(BookFeedFlow, ReadersOfAnyPaceHaveTheBooks) {
  core::Engine engine(testing::config_of(GetParam()));
  BookFeed feed(engine);
  core::EventSink sink;
  testing::Flow flow(GetParam(), 17);
  testing::Random random(18);
  std::vector<std::unique_ptr<Reader>> readers;
  for (int i = 0; i < 3; ++i) readers.push_back(std::make_unique<Reader>(engine, feed, std::vector{0u, 1u}));
  for (int round = 0; round < 1500; ++round) {
    Commands commands;
    for (std::int64_t i = random.below(8); i >= 0; --i) commands.add(flow.next());
    sink.clear();
    engine.apply(commands.frame(), {flow.now()}, sink);
    feed.applied(sink);
    for (std::size_t i = 0; i < readers.size(); ++i) {
      if (!random.one_in(static_cast<std::int64_t>(1 + 20 * i))) continue;
      while (readers[i]->take().updates_size() != 0) {
      }
      ASSERT_EQ(readers[i]->depth("ACME"), depth_of(engine, 0)) << "reader " << i << " round " << round;
      ASSERT_EQ(readers[i]->depth("ZINC"), depth_of(engine, 1)) << "reader " << i << " round " << round;
    }
    if (random.one_in(100)) readers[1] = std::make_unique<Reader>(engine, feed, std::vector{0u, 1u});
    ASSERT_FALSE(HasFailure());
  }
}

INSTANTIATE_TEST_SUITE_P(Domains, BookFeedFlow, ::testing::ValuesIn(testing::all_domains()), testing::label_of);

}  // namespace
}  // namespace ordergate::rpc
