// One run, from the first connection to the last answer.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "driver.h"
#include "pacer.h"

namespace ordergate::load {

// What the load tool itself has used within the measured time.
struct Cpu {
  double user_s = 0;
  double system_s = 0;
};

class Load {
 public:
  explicit Load(Options options);
  ~Load();

  // Sends, measures, waits for what is under way. Throws std::runtime_error if it can't even begin.
  void run();

  const Options& options() const { return options_; }
  const Tally& tally() const { return tally_; }
  Cpu cpu() const { return cpu_; }
  double measured_s() const { return measured_s_; }
  double drained_s() const { return drained_s_; }  // from the end of sending to the last answer

 private:
  void open();
  void send();
  void drain();
  void end();
  void progress(std::int64_t now);
  void control();
  void obey(const std::string& line);
  bool all(bool (Sender::*state)() const) const;
  bool any(bool (Sender::*state)() const) const;
  bool wait(bool (Sender::*state)() const, double seconds);

  Options options_;
  Tally tally_;
  Peer peer_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Sender>> senders_;
  std::unique_ptr<Pacer> pacer_;
  std::thread answers_;
  std::string input_;
  std::int64_t began_ns_ = 0;
  std::int64_t said_ns_ = 0;
  std::uint64_t said_acked_ = 0;
  std::uint64_t said_events_ = 0;
  Cpu cpu_;
  double measured_s_ = 0;
  double drained_s_ = 0;
};

}  // namespace ordergate::load
