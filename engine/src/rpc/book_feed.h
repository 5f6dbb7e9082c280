// Who follows the books, and what each reader has yet to be told.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <unordered_map>
#include <vector>

#include "core/engine.h"
#include "core/event.h"
#include "ordergate/engine/v1/engine_service.pb.h"

namespace ordergate::rpc {

// One reader's view of the books that it follows: what it was told last, and which levels were touched since. It is
// asked for updates at the reader's own pace; what changes meanwhile adds up, and where that is too much, the whole
// book is told again.
class BookFollower {
 public:
  // Touched levels of one book after which a snapshot costs less than the changes; also bounds what a reader that does
  // not read can make us keep.
  static constexpr std::size_t kTouchedMax = 4096;

  // Both must outlive the follower. `wake` is called when there may be something to take, and must not destroy a
  // follower. Begins with a snapshot of each of the `instruments`, which are numbers of the engine's, without repeats.
  BookFollower(const core::Engine& engine, std::vector<std::uint32_t> instruments, std::function<void()> wake);

  // The visible quantity there may be another. REQUIRES: the instrument is followed.
  void touch(std::uint32_t instrument, core::Side side, core::Price price);

  // Calls `wake` if something was touched since the last call.
  void wake();

  // Adds the updates that are due, up to about a megabyte of them: the rest is for the next call. False if there are
  // none: nothing was touched, or all of it is as the reader knows it.
  bool take(engine::v1::FollowBooksResponse& response);

  const std::vector<std::uint32_t>& instruments() const { return instruments_; }

 private:
  struct Touched {
    core::Side side;
    core::Price price;
    auto operator<=>(const Touched&) const = default;
  };
  // By price; without levels that are gone.
  using Levels = std::unordered_map<std::int64_t, core::Quantity>;
  struct Followed {
    std::uint64_t seq = 0;         // of the last update
    core::Time time{0};            // of the last touch
    bool due = false;              // is in due_
    bool snapshot = false;         // the next update is one
    std::vector<Touched> touched;  // unless a snapshot is due
    std::array<Levels, 2> told;    // bids, asks
  };

  Followed& followed(std::uint32_t instrument);
  void set_due(std::uint32_t instrument, Followed& book);
  // Levels told.
  std::size_t tell(std::uint32_t instrument, Followed& book, engine::v1::FollowBooksResponse& response);
  void tell_all(const core::Book& from, Followed& book, engine::v1::BookUpdate& update) const;
  void tell_touched(const core::Book& from, Followed& book, engine::v1::BookUpdate& update) const;

  const core::Engine& engine_;
  const std::vector<std::uint32_t> instruments_;
  const std::function<void()> wake_;
  std::vector<std::uint32_t> place_;  // in books_, by instrument
  std::vector<Followed> books_;
  std::deque<std::uint32_t> due_;  // instruments, longest due first
  bool touched_ = false;           // since the last wake()
};

// Turns the events of each frame into touched levels of those who follow them. Costs nothing while nobody follows.
class BookFeed {
 public:
  explicit BookFeed(const core::Engine& engine) : engine_(engine), followers_of_(engine.instruments()) {}

  void add(BookFollower& follower);
  void remove(BookFollower& follower);

  // After each frame: `sink` holds its events.
  void applied(const core::EventSink& sink) {
    if (!followers_.empty()) [[unlikely]]
      tell(sink);
  }

 private:
  void tell(const core::EventSink& sink);
  void touch(const core::Order& order, core::Price price);

  const core::Engine& engine_;
  std::vector<BookFollower*> followers_;
  std::vector<std::vector<BookFollower*>> followers_of_;  // by instrument
};

// Adds a level to an update or an answer.
template <class Levels>
void add_level(Levels& levels, core::Price price, core::Quantity quantity) {
  auto& level = *levels.Add();
  level.set_price_ticks(price.value);
  level.set_quantity_lots(quantity.value);
}

}  // namespace ordergate::rpc
