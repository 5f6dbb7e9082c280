#include "options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>

#include "command_id.h"

namespace ordergate::load {
namespace {

constexpr const char* kAbout =
    "Drives order entry of an Ordergate gateway and measures it.\n\n"
    "  Open loop (--rate): commands are sent at a fixed rate, whatever the server does, and latency counts from the "
    "time\n"
    "  at which a command was to be sent: a stall of the server is charged to every command that it delayed.\n"
    "  Closed loop (--window, the default): so many commands are under way on each stream, the next go out with the\n"
    "  answers. This finds the throughput; its latencies are those of a saturated server.\n\n"
    "  ack        time to the ack of level QUEUED (the command is durable)\n"
    "  execution  time to a command's first event: the engine's verdict, delivered\n"
    "  fill       time to the first fill of an order that trades on arrival\n\n"
    "Examples, against `make run` with its token in T:\n"
    "  ordergate-load --token $T --rate 1000                      # single orders, 1000 a second\n"
    "  ordergate-load --token $T --frame 100 --window 10000       # as fast as can be, 100 orders a message\n"
    "  ordergate-load --token $T --rpc submit --window 16         # unary calls, 16 under way on each connection\n"
    "  ordergate-load --rpc health --rate 100 --streams 1         # health checks\n\n"
    "Orders are left in the book unless they trade (--cancel-after): use a stack of your own, not one with positions.";

constexpr const char* kStatus =
    "Exit status: 0 measured without an error; 1 measured, with errors (they are counted by reason);\n"
    "2 could not be measured.";

std::string random_run() {
  std::random_device device;
  std::string run;
  while (run.size() < kRunChars) run.push_back("abcdefghijklmnopqrstuvwxyz234567"[device() % 32]);
  return run;
}

void declare_target(CLI::App& app, Options& o) {
  app.add_option("--address", o.address, "The gateway's host:port")->group("Target");
  app.add_option("--token", o.token, "Bearer token; default: $ORDERGATE_TOKEN")
      ->envname("ORDERGATE_TOKEN")
      ->group("Target")
      ->default_str("");
  app.add_option("--token-file", o.token_file, "File that holds it")->type_name("FILE")->group("Target");
  app.add_option("--accounts", o.accounts, "Accounts, one for each stream in turn; default: all that the token holds")
      ->delimiter(',')
      ->group("Target");
  const std::map<std::string, Rpc> rpcs{{"session", Rpc::kSession}, {"submit", Rpc::kSubmit}, {"health", Rpc::kHealth}};
  app.add_option("--rpc", o.rpc, "session (bidi stream), submit (unary) or health (unary)")
      ->transform(CLI::CheckedTransformer(rpcs, CLI::ignore_case))
      ->type_name("RPC")
      ->default_str("session")
      ->group("Target");
  app.add_flag("--echo", o.echo, "The peer's Session answers each message with one message, which counts as its ack")
      ->group("Target");
}

void declare_load(CLI::App& app, Options& o) {
  app.add_option("--rate", o.rate, "Open loop: commands a second, over all streams; 0: closed loop")
      ->check(CLI::Range(0.0, 1e8))
      ->group("Load");
  app.add_option("--window", o.window, "Closed loop: commands under way on each stream")
      ->check(CLI::Range(1, 10'000'000))
      ->group("Load");
  app.add_flag("--until-event", o.until_told, "Closed loop: under way until the first event, not only until the ack")
      ->group("Load");
  app.add_option("--frame", o.frame, "Commands in a message of a Session")->check(CLI::Range(1, 10'000))->group("Load");
  app.add_option("--streams", o.streams, "Streams, or connections for unary calls; each a TCP connection of its own")
      ->check(CLI::Range(1, 999))
      ->group("Load");
  app.add_option("--warmup", o.warmup_s, "Seconds before the measurement")->check(CLI::Range(0.0, 1e6))->group("Load");
  app.add_option("--seconds", o.seconds, "Seconds to measure")->check(CLI::Range(0.1, 1e6))->group("Load");
  app.add_option("--drain", o.drain_s, "Longest wait, in seconds, for what is under way at the end")
      ->check(CLI::Range(0.0, 1e6))
      ->group("Load");
}

void declare_orders(CLI::App& app, Options& o) {
  app.add_option("--trading", o.flow.trading,
                 "Share of the orders that trade on arrival; as many others are what they take")
      ->check(CLI::Range(0.0, 0.5))
      ->default_str("0.333")
      ->group("Orders");
  app.add_option("--symbols", o.flow.symbols, "Instruments, in turn")->delimiter(',')->group("Orders");
  app.add_option("--price", o.flow.base_price, "Price at which orders trade; the others are up to 10 away from it")
      ->check(CLI::Range(11, 1'000'000))
      ->group("Orders");
  app.add_option("--cancel-after", o.flow.cancel_after,
                 "Cancel each order that does not trade after so many more commands of its stream; 0: never")
      ->group("Orders");
  app.add_flag("--acks-only", o.acks_only, "Ask for no events")->group("Orders");
  app.add_option("--run", o.run, "First six characters of the command ids; default: random")->group("Orders");
}

void declare_report(CLI::App& app, Options& o) {
  app.add_option("--json", o.json, "Write all figures there; -: to the standard output, instead of the table")
      ->type_name("FILE")
      ->group("Report");
  const std::map<std::string, Progress> forms{
      {"text", Progress::kText}, {"json", Progress::kJson}, {"none", Progress::kNone}};
  app.add_option("--progress", o.progress, "A line each second on the standard error: text, json or none")
      ->transform(CLI::CheckedTransformer(forms, CLI::ignore_case))
      ->type_name("FORM")
      ->default_str("text")
      ->group("Report");
  app.add_flag(
         "--control", o.control,
         "Obey lines on the standard input, until its end: \"rate N\"; \"measure S\", which begins the measured time\n"
         "now, for S seconds; \"stop\"")
      ->group("Report");
}

// What no single option can check. Returns what is wrong, or nothing.
std::string fault(Options& o) {
  if (o.rpc != Rpc::kSession && o.frame != 1) return "--frame: a unary call carries one command";
  if (!o.open_loop() && o.frame > o.window) return "--window must hold at least one message (--frame)";
  if (o.control && !o.open_loop()) return "--control needs --rate";
  if (o.run.empty()) o.run = random_run();
  if (o.run.size() != kRunChars) return "--run must have six characters";
  if (o.until_told && !o.has_events()) return "--until-event: there are no events in this run";
  if (!o.token_file.empty()) {
    std::ifstream file(o.token_file);
    if (!(file >> o.token)) return "--token-file: " + o.token_file + " can't be read";
  }
  return {};
}

}  // namespace

Options read_options(int argc, char** argv) {
  Options options;
  CLI::App app(kAbout, "ordergate-load");
  app.footer(kStatus);
  app.option_defaults()->always_capture_default();
  app.get_formatter()->column_width(34);
  declare_target(app, options);
  declare_load(app, options);
  declare_orders(app, options);
  declare_report(app, options);
  try {
    app.parse(argc, argv);
    if (const std::string wrong = fault(options); !wrong.empty()) throw CLI::ValidationError(wrong);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error) == 0 ? 0 : 2);
  }
  return options;
}

}  // namespace ordergate::load
