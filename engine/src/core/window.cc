#include "core/window.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "core/state_io.h"

namespace ordergate::core {

// A bucket for each command: with one of them on the average, one in 270 is met by more than four.
Window::Window(std::uint32_t commands, Time age)
    : window_(commands),
      age_(age),
      shift_(64 - static_cast<unsigned>(std::bit_width(std::bit_ceil(std::max(commands, 2u)) - 1))),
      bucket_count_(std::bit_ceil(std::max(commands, 2u))),
      buckets_(bucket_count_ * sizeof(Bucket) < kHugePage ? make_small_block<Bucket>(bucket_count_)
                                                          : make_block<Bucket>(bucket_count_)) {
  if (bucket_count_ * sizeof(Bucket) >= kHugePage) prefer_huge_pages(buckets_, bucket_count_);
  std::fill_n(buckets_.get(), bucket_count_, Bucket{});
}

Window::Found Window::find_crowded(const OrderId& id) const {
  const auto found = crowded_.find(bucket_of(id));
  if (found == crowded_.end()) return {false, 0};
  for (const Slot& slot : found->second) {
    if (slot.tag == id.second && live(slot.seq)) return {true, slot.content};
  }
  return {false, 0};
}

void Window::crowd(const OrderId& id, std::uint32_t content) {
  if (crowd_ >= sweep_at_) sweep();
  buckets_[bucket_of(id)].slots[0].seq |= kCrowded;
  crowded_[bucket_of(id)].push_back({id.second, content, last_ & kSeqMask});
  ++crowd_;
}

// Drops what is too old, now and then: it does no harm but takes place.
void Window::sweep() {
  for (auto it = crowded_.begin(); it != crowded_.end();) {
    const std::size_t before = it->second.size();
    std::erase_if(it->second, [this](const Slot& slot) { return !live(slot.seq); });
    crowd_ -= before - it->second.size();
    if (it->second.empty()) {
      buckets_[it->first].slots[0].seq &= kSeqMask;
      it = crowded_.erase(it);
    } else {
      ++it;
    }
  }
  sweep_at_ = std::max<std::size_t>(1024, 2 * crowd_);
}

// Without it what is very old would one day look new.
void Window::forget_old() {
  sweep();
  const std::uint32_t old = (last_ - kOldAge) & kSeqMask;
  for (std::size_t bucket = 0; bucket < bucket_count_; ++bucket) {
    for (Slot& slot : buckets_[bucket].slots) {
      if (!live(slot.seq)) slot.seq = (slot.seq & kCrowded) | old;
    }
  }
  forgot_at_ = last_;
}

void Window::advance(Time now) {
  if (last_ - forgot_at_ >= kForgetEvery) [[unlikely]]
    forget_old();
  while (!since_.empty() && now.value - since_.front().time.value > age_.value) {
    since_.pop_front();
    const std::uint32_t first = since_.empty() ? last_ : since_.front().seq;
    span_ = std::min(span_, (last_ - first) & kSeqMask);
  }
  if (since_.empty() || since_.back().time != now) {
    if (!since_.empty() && since_.back().seq == last_) {
      since_.back().time = now;
    } else {
      since_.push_back({last_, now});
    }
  }
  // What the window has forgotten needs no time.
  while (since_.size() > 1 && ((last_ - since_[1].seq) & kSeqMask) >= window_) since_.pop_front();
}

void Window::add_to(StateHash& hash) const {
  std::uint64_t sum = 0;
  const auto add = [&](std::size_t bucket, const Slot& slot) {
    if (!live(slot.seq)) return;
    const std::uint64_t age = (last_ - slot.seq) & kSeqMask;
    sum += StateHash::mix(StateHash::mix(slot.tag ^ bucket) ^ (std::uint64_t{slot.content} << 32 | age));
  };
  for (std::size_t bucket = 0; bucket < bucket_count_; ++bucket) {
    for (const Slot& slot : buckets_[bucket].slots) add(bucket, slot);
  }
  for (const auto& [bucket, slots] : crowded_) {
    for (const Slot& slot : slots) add(bucket, slot);
  }
  hash.add(std::uint64_t{span_});
  hash.add(sum);
  for (const Since& since : since_) {
    const std::uint64_t age = (last_ - since.seq) & kSeqMask;
    if (age <= span_) hash.add(StateHash::mix(age) ^ static_cast<std::uint64_t>(since.time.value));
  }
}

void Window::save(StateWriter& out) const {
  out.put(last_);
  out.put(span_);
  std::uint32_t count = 0;
  const auto each = [&](const auto& act) {
    for (std::size_t bucket = 0; bucket < bucket_count_; ++bucket) {
      for (const Slot& slot : buckets_[bucket].slots) {
        if (live(slot.seq)) act(bucket, slot);
      }
    }
    for (const auto& [bucket, slots] : crowded_) {
      for (const Slot& slot : slots) {
        if (live(slot.seq)) act(bucket, slot);
      }
    }
  };
  each([&](std::size_t, const Slot&) { ++count; });
  out.put(count);
  each([&](std::size_t bucket, const Slot& slot) {
    out.put(static_cast<std::uint32_t>(bucket));
    out.put(slot.tag);
    out.put(slot.content);
    out.put(slot.seq & kSeqMask);
  });
  out.put(static_cast<std::uint32_t>(since_.size()));
  for (const Since& since : since_) {
    out.put(since.seq);
    out.put(since.time);
  }
}

void Window::load(StateReader& in) {
  last_ = in.get<std::uint32_t>();
  span_ = in.get<std::uint32_t>();
  in.require(span_ <= window_);
  const std::uint32_t span = std::exchange(span_, 0);
  forget_old();  // no number of ours may look like one of those that come
  span_ = span;
  for (auto left = in.get<std::uint32_t>(); left != 0 && in.ok(); --left) {
    const auto bucket = in.get<std::uint32_t>();
    Slot slot{};
    slot.tag = in.get<std::uint64_t>();
    slot.content = in.get<std::uint32_t>();
    slot.seq = in.get<std::uint32_t>();
    in.require(bucket < bucket_count_ && slot.seq <= kSeqMask && live(slot.seq));
    if (in.ok()) put_back(bucket, slot);
  }
  for (auto left = in.get<std::uint32_t>(); left != 0 && in.ok(); --left) {
    const auto seq = in.get<std::uint32_t>();
    const auto time = in.get<std::int64_t>();
    in.require(time >= 0 && (since_.empty() || time >= since_.back().time.value));
    if (in.ok()) since_.push_back({seq, {time}});
  }
}

void Window::put_back(std::size_t bucket, Slot slot) {
  for (Slot& place : buckets_[bucket].slots) {
    if (live(place.seq)) continue;
    const std::uint32_t crowded = place.seq & kCrowded;
    place = slot;
    place.seq |= crowded;
    return;
  }
  buckets_[bucket].slots[0].seq |= kCrowded;
  crowded_[bucket].push_back(slot);
  ++crowd_;
}

}  // namespace ordergate::core
