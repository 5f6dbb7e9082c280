// Offers frames at a given rate, whatever becomes of them: the open loop.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "driver.h"

namespace ordergate::load {

// Frames are offered to the senders in turn, evenly spaced in time. What could not be sent in time is sent as soon as
// can be, under the time at which it was to be sent: a server that stalls is charged for all that would have come
// meanwhile.
class Pacer {
 public:
  // Starts at `start_ns`. `rate`: commands a second.
  Pacer(std::vector<std::unique_ptr<Sender>>& senders, Tally& tally, std::size_t frame, double rate,
        std::int64_t start_ns);
  ~Pacer() { stop(); }
  // May be called at any time; 0 pauses.
  void set_rate(double rate) { rate_ = rate; }
  double rate() const { return rate_; }
  void stop();

 private:
  void run(std::int64_t start_ns);

  std::vector<std::unique_ptr<Sender>>& senders_;
  Tally& tally_;
  const double frame_;
  std::atomic<double> rate_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

}  // namespace ordergate::load
