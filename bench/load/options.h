// What the load tool can be told.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flow.h"

namespace ordergate::load {

enum class Rpc { kSession, kSubmit, kHealth };
enum class Progress { kText, kJson, kNone };

struct Options {
  std::string address = "127.0.0.1:50051";
  std::string token = {};
  std::string token_file = {};
  Rpc rpc = Rpc::kSession;
  bool echo = false;
  double rate = 0;            // orders a second, open loop; 0: closed loop
  std::size_t window = 1000;  // closed loop: commands under way on each stream
  std::size_t frame = 1;
  std::size_t streams = 4;
  std::vector<std::string> accounts = {};
  FlowOptions flow = {};
  bool acks_only = false;
  bool until_told = false;  // closed loop: under way until the first event, not until the ack
  double warmup_s = 2;
  double seconds = 10;
  double drain_s = 30;
  std::string run = {};
  std::string json = {};
  Progress progress = Progress::kText;
  bool control = false;

  bool open_loop() const { return rate > 0; }
  bool has_events() const { return rpc == Rpc::kSession && !echo && !acks_only; }
};

// Reads the command line; ends the process after --help, and with status 2 and a message if something is wrong with it.
Options read_options(int argc, char** argv);

}  // namespace ordergate::load
