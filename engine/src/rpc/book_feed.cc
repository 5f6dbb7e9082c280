#include "rpc/book_feed.h"

#include <algorithm>
#include <utility>

namespace ordergate::rpc {
namespace {

using core::Price;
using core::Quantity;
using core::Side;
using engine::v1::BookUpdate;

// As in a session: enough to make the cost of a message small, a fraction of the largest that a client takes.
constexpr std::size_t kResponseBytes = 1 << 20;
constexpr std::size_t kLevelBytes = 16;  // about

constexpr std::size_t place(Side side) { return side == Side::kBuy ? 0 : 1; }

auto& levels_of(BookUpdate& update, Side side) {
  return side == Side::kBuy ? *update.mutable_bids() : *update.mutable_asks();
}

}  // namespace

BookFollower::BookFollower(const core::Engine& engine, std::vector<std::uint32_t> instruments,
                           std::function<void()> wake)
    : engine_(engine),
      instruments_(std::move(instruments)),
      wake_(std::move(wake)),
      place_(engine.instruments()),
      books_(instruments_.size()) {
  for (std::uint32_t at = 0; at < instruments_.size(); ++at) {
    place_[instruments_[at]] = at;
    books_[at].snapshot = true;
    books_[at].time = engine.time();
    set_due(instruments_[at], books_[at]);
  }
}

BookFollower::Followed& BookFollower::followed(std::uint32_t instrument) { return books_[place_[instrument]]; }

void BookFollower::set_due(std::uint32_t instrument, Followed& book) {
  if (!std::exchange(book.due, true)) due_.push_back(instrument);
}

void BookFollower::touch(std::uint32_t instrument, Side side, Price price) {
  Followed& book = followed(instrument);
  touched_ = true;
  book.time = engine_.time();
  set_due(instrument, book);
  if (book.snapshot) return;
  book.touched.push_back({side, price});
  if (book.touched.size() < 2 * kTouchedMax) return;
  // A busy reader's list repeats itself: only what is left without repeats counts.
  std::ranges::sort(book.touched);
  const auto repeats = std::ranges::unique(book.touched);
  book.touched.erase(repeats.begin(), repeats.end());
  if (book.touched.size() < kTouchedMax) return;
  book.snapshot = true;
  book.touched.clear();
}

void BookFollower::wake() {
  if (std::exchange(touched_, false)) wake_();
}

bool BookFollower::take(engine::v1::FollowBooksResponse& response) {
  std::size_t levels = 0;
  while (!due_.empty() && levels * kLevelBytes < kResponseBytes) {
    const std::uint32_t instrument = due_.front();
    due_.pop_front();
    Followed& book = followed(instrument);
    book.due = false;
    levels += tell(instrument, book, response);
  }
  return response.updates_size() != 0;
}

std::size_t BookFollower::tell(std::uint32_t instrument, Followed& book, engine::v1::FollowBooksResponse& response) {
  BookUpdate& update = *response.add_updates();
  const core::Book& from = engine_.book(instrument);
  const bool snapshot = std::exchange(book.snapshot, false);
  snapshot ? tell_all(from, book, update) : tell_touched(from, book, update);
  const auto levels = static_cast<std::size_t>(update.bids_size() + update.asks_size());
  if (!snapshot && levels == 0) {  // whatever was touched is as it was
    response.mutable_updates()->RemoveLast();
    return 0;
  }
  update.set_symbol(std::string(engine_.symbol(instrument)));
  update.set_seq(++book.seq);
  update.set_snapshot(snapshot);
  update.set_engine_time_ns(static_cast<std::uint64_t>(book.time.value));
  return levels;
}

void BookFollower::tell_all(const core::Book& from, Followed& book, BookUpdate& update) const {
  book.touched.clear();
  for (const Side side : {Side::kBuy, Side::kSell}) {
    Levels& told = book.told[place(side)];
    told.clear();
    for (Price price = from.best(side); price != core::Book::none(side); price = from.worse(side, price)) {
      const Quantity quantity = from.quantity_at(side, price);
      told[price.value] = quantity;
      add_level(levels_of(update, side), price, quantity);
    }
  }
}

void BookFollower::tell_touched(const core::Book& from, Followed& book, BookUpdate& update) const {
  std::ranges::sort(book.touched, [](const Touched& a, const Touched& b) {
    if (a.side != b.side) return a.side < b.side;
    return a.side == Side::kBuy ? a.price > b.price : a.price < b.price;
  });
  const auto repeats = std::ranges::unique(book.touched);
  book.touched.erase(repeats.begin(), repeats.end());
  for (const auto& [side, price] : book.touched) {
    Levels& told = book.told[place(side)];
    const Quantity quantity = from.quantity_at(side, price);
    const auto before = told.find(price.value);
    if (quantity == (before == told.end() ? Quantity{0} : before->second)) continue;
    if (quantity.value == 0) {
      told.erase(before);
    } else {
      told[price.value] = quantity;
    }
    add_level(levels_of(update, side), price, quantity);
  }
  book.touched.clear();
}

void BookFeed::add(BookFollower& follower) {
  followers_.push_back(&follower);
  for (const std::uint32_t instrument : follower.instruments()) followers_of_[instrument].push_back(&follower);
}

void BookFeed::remove(BookFollower& follower) {
  std::erase(followers_, &follower);
  for (const std::uint32_t instrument : follower.instruments()) std::erase(followers_of_[instrument], &follower);
}

// An order's level is touched by the events that change the order; one that it left is in a revision.
void BookFeed::tell(const core::EventSink& sink) {
  for (const core::Event& event : sink.events) {
    if (event.order == 0 || !core::changes_order(event.kind)) continue;
    const core::Order& order = engine_.order(event.order);
    touch(order, order.price);
  }
  for (const core::Revision& revision : sink.revisions) touch(engine_.order(revision.order), revision.price);
  for (BookFollower* const follower : followers_) follower->wake();
}

void BookFeed::touch(const core::Order& order, Price price) {
  if (order.symbol >= followers_of_.size() || price.value <= 0) return;
  for (BookFollower* const follower : followers_of_[order.symbol]) follower->touch(order.symbol, order.side, price);
}

}  // namespace ordergate::rpc
