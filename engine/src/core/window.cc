#include "core/window.h"

#include <algorithm>

#include "core/state_io.h"

namespace ordergate::core {
namespace {

template <class T>
Block<T> make_zeros(std::size_t count) {
  Block<T> block = make_pages<T>(count);
  std::fill_n(block.get(), count, T{});
  return block;
}

}  // namespace

// Four commands for a bucket of eight on the average: one command in a hundred finds it full.
Window::Window(std::uint32_t commands, Time age)
    : window_(commands),
      age_(age),
      bucket_count_(std::bit_ceil(std::max<std::size_t>(commands / 2, 2))),
      shift_(64 - static_cast<unsigned>(std::countr_zero(bucket_count_))),
      ring_mask_(std::bit_ceil(commands) - 1),
      buckets_(make_zeros<Bucket>(bucket_count_)),
      ring_(make_zeros<Entry>(std::size_t{ring_mask_} + 1)) {}

Window::Found Window::find_crowded(const OrderId& id) const {
  const auto found = crowded_.find(bucket_of(id));
  if (found == crowded_.end()) return {false, 0};
  for (const std::uint32_t seq : found->second) {
    const Found here = look_at(seq, id);
    if (here.known) return here;
  }
  return {false, 0};
}

// The last command found its bucket full.
void Window::crowd(std::size_t bucket) {
  if (crowd_ >= sweep_at_) sweep();
  buckets_[bucket].seqs[0] |= kCrowded;
  crowded_[bucket].push_back(last_ & kSeqMask);
  ++crowd_;
}

// Drops what is too old, now and then: it does no harm but takes place.
void Window::sweep() {
  for (auto it = crowded_.begin(); it != crowded_.end();) {
    const std::size_t before = it->second.size();
    std::erase_if(it->second, [this](std::uint32_t seq) { return !live(seq); });
    crowd_ -= before - it->second.size();
    if (it->second.empty()) {
      buckets_[it->first].seqs[0] &= kSeqMask;
      it = crowded_.erase(it);
    } else {
      ++it;
    }
  }
  sweep_at_ = std::max<std::size_t>(1024, 2 * crowd_);
}

void Window::advance(Time now) {
  while (!since_.empty() && now.value - since_.front().time.value > age_.value) {
    since_.pop_front();
    const std::uint32_t first = since_.empty() ? last_ : since_.front().seq;
    span_ = std::min(span_, last_ - first);
  }
  if (since_.empty() || since_.back().time != now) {
    if (!since_.empty() && since_.back().seq == last_) {
      since_.back().time = now;
    } else {
      since_.push_back({last_, now});
    }
  }
  // What the window has forgotten needs no time.
  while (since_.size() > 1 && last_ - since_[1].seq >= window_) since_.pop_front();
}

// What has no command left that is remembered is left out: whether it still stands in the list depends on how commands
// are divided into frames.
template <class Act>
void Window::each_time(const Act& act) const {
  for (std::size_t i = 0; i < since_.size(); ++i) {
    if (i + 1 < since_.size() && last_ - since_[i + 1].seq >= span_) continue;
    act(std::min(last_ - since_[i].seq, span_), since_[i].time);
  }
}

void Window::add_to(StateHash& hash) const {
  hash.add(std::uint64_t{last_} << 32 | span_);
  for (std::uint32_t age = span_; age != 0; --age) {
    const Entry& entry = ring_[(last_ - age + 1) & ring_mask_];
    hash.add(entry.id);
    hash.add(std::uint64_t{entry.content});
  }
  each_time([&](std::uint32_t count, Time time) {
    hash.add(std::uint64_t{count});
    hash.add(time);
  });
}

void Window::save(StateWriter& out) const {
  out.put(last_);
  out.put(span_);
  for (std::uint32_t age = span_; age != 0; --age) {
    const Entry& entry = ring_[(last_ - age + 1) & ring_mask_];
    out.put(entry.id);
    out.put(entry.content);
  }
  std::uint32_t times = 0;
  each_time([&](std::uint32_t, Time) { ++times; });
  out.put(times);
  each_time([&](std::uint32_t count, Time time) {
    out.put(count);
    out.put(time);
  });
}

void Window::load(StateReader& in) {
  const auto last = in.get<std::uint32_t>();
  const auto span = in.get<std::uint32_t>();
  in.require(span <= window_);
  last_ = last - span;
  while (last_ != last && in.ok()) {
    const auto id = in.get<OrderId>();
    const auto content = in.get<std::uint32_t>();
    if (in.ok()) remember(id, content);
  }
  for (auto left = in.get<std::uint32_t>(); left != 0 && in.ok(); --left) {
    const auto count = in.get<std::uint32_t>();
    const auto time = in.get<std::int64_t>();
    in.require(count <= (since_.empty() ? span_ : last_ - since_.back().seq));
    in.require(time >= 0 && (since_.empty() || time > since_.back().time.value));
    if (in.ok()) since_.push_back({last_ - count, {time}});
  }
}

}  // namespace ordergate::core
