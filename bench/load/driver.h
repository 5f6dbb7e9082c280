// What sends: the streams of a Session run, or the connections of a unary one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "options.h"
#include "peer.h"
#include "tally.h"

namespace ordergate::load {

// One stream, or one connection with unary calls. `offer` comes from the pacing thread, all else from the thread of the
// completion queue.
class Sender {
 public:
  virtual ~Sender() = default;
  // Opens it; `ready` becomes true later, or `ended` does.
  virtual void open() = 0;
  // Open loop: a frame is to be sent, and was to be at `intended_ns`.
  virtual void offer(std::int64_t intended_ns) = 0;
  // Closed loop: sends as long as the window has room; goes on by itself with the answers, until `stop`.
  virtual void start() = 0;
  // No new frame from now on.
  virtual void stop() = 0;
  // Everything that was sent is answered, and its events have come.
  virtual bool settled() const = 0;
  // Ends it; `ended` becomes true later.
  virtual void close() = 0;
  // Gives up what is still under way.
  virtual void cancel() = 0;
  virtual bool ready() const = 0;
  virtual bool ended() const = 0;
};

std::unique_ptr<Sender> make_session(const Options& options, Peer& peer, grpc::CompletionQueue& queue, Tally& tally,
                                     std::size_t number);
std::unique_ptr<Sender> make_unary(const Options& options, Peer& peer, grpc::CompletionQueue& queue, Tally& tally,
                                   std::size_t number);

}  // namespace ordergate::load
