#include "report.h"

#include <cstdio>
#include <sstream>

namespace ordergate::load {
namespace {

const char* name_of(Rpc rpc) {
  switch (rpc) {
    case Rpc::kSession:
      return "session";
    case Rpc::kSubmit:
      return "submit";
    default:
      return "health";
  }
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + '"';
}

std::string json_of(const Histogram& h) {
  std::ostringstream out;
  out << "{\"count\": " << h.count() << ", \"mean\": " << h.mean_ms() << ", \"p50\": " << h.percentile_ms(0.5)
      << ", \"p90\": " << h.percentile_ms(0.9) << ", \"p99\": " << h.percentile_ms(0.99)
      << ", \"p99.9\": " << h.percentile_ms(0.999) << ", \"max\": " << h.max_ms() << "}";
  return out.str();
}

void print_row(const char* name, const Histogram& h) {
  if (h.count() == 0) return;
  std::printf("%-12s %10lu %9.3f %9.3f %9.3f %9.3f %9.3f\n", name, h.count(), h.percentile_ms(0.5),
              h.percentile_ms(0.9), h.percentile_ms(0.99), h.percentile_ms(0.999), h.max_ms());
}

double rate(const Load& load, std::uint64_t count) {
  return load.measured_s() > 0 ? static_cast<double>(count) / load.measured_s() : 0;
}

double cpu_us_per_ack(const Load& load) {
  const auto acked = static_cast<double>(load.tally().acked_within);
  return acked > 0 ? 1e6 * (load.cpu().user_s + load.cpu().system_s) / acked : 0;
}

}  // namespace

void print_table(const Load& load) {
  const Options& o = load.options();
  const Tally& t = load.tally();
  std::printf("%s%s, %s, %zu streams, %zu a message", name_of(o.rpc), o.echo ? " (echo)" : "",
              o.open_loop() ? "open loop" : "closed loop", o.streams, o.frame);
  o.open_loop() ? std::printf(", %.0f offered/s\n\n", o.rate) : std::printf(", window %zu\n\n", o.window);
  std::printf("%-12s %10s %9s %9s %9s %9s %9s\n", "ms", "count", "p50", "p90", "p99", "p99.9", "max");
  print_row("ack", t.ack);
  print_row("execution", t.execution);
  print_row("fill", t.fill);
  print_row("sent late", t.late);
  std::printf("\n%-12s %10.0f /s     orders %.0f /s     events %.0f /s     in %.1f s\n", "acked",
              rate(load, t.acked_within), rate(load, t.acked_orders_within), rate(load, t.events_within),
              load.measured_s());
  std::printf("%-12s %10lu commands, %lu orders, %lu acked, %lu with events, %lu events in all; drained in %.2f s\n",
              "sent", t.sent.load(), t.orders.load(), t.acked.load(), t.told.load(), t.events.load(), load.drained_s());
  std::printf("%-12s %10.2f us of the load tool's own CPU per ack, %.0f %% of a core\n", "cpu", cpu_us_per_ack(load),
              load.measured_s() > 0 ? 100 * (load.cpu().user_s + load.cpu().system_s) / load.measured_s() : 0);
  if (t.unsent > 0) {
    std::printf("%-12s %10lu commands were due and not sent: the server takes less than was offered\n", "unsent",
                t.unsent.load());
  }
  std::printf("%-12s %10lu\n", "errors", t.error_count.load());
  for (const auto& [reason, count] : t.errors()) std::printf("  %10lu  %s\n", count, reason.c_str());
}

std::string json_of(const Load& load) {
  const Options& o = load.options();
  const Tally& t = load.tally();
  std::ostringstream out;
  out << "{\"rpc\": \"" << name_of(o.rpc) << "\", \"echo\": " << (o.echo ? "true" : "false") << ", \"loop\": \""
      << (o.open_loop() ? "open" : "closed") << "\", \"offered_per_s\": " << o.rate << ", \"window\": " << o.window
      << ", \"frame\": " << o.frame << ", \"streams\": " << o.streams << ", \"trading\": " << o.flow.trading
      << ", \"run\": " << quoted(o.run) << ",\n \"measured_s\": " << load.measured_s()
      << ", \"drained_s\": " << load.drained_s() << ", \"acked_per_s\": " << rate(load, t.acked_within)
      << ", \"orders_per_s\": " << rate(load, t.acked_orders_within)
      << ", \"told_per_s\": " << rate(load, t.told_within) << ", \"events_per_s\": " << rate(load, t.events_within)
      << ",\n \"sent\": " << t.sent << ", \"orders\": " << t.orders << ", \"acked\": " << t.acked
      << ", \"refused\": " << t.refused << ", \"rejected\": " << t.rejected << ", \"told\": " << t.told
      << ", \"filled\": " << t.filled << ", \"events\": " << t.events << ", \"messages\": " << t.messages
      << ", \"unsent\": " << t.unsent << ",\n \"ack_ms\": " << json_of(t.ack)
      << ",\n \"execution_ms\": " << json_of(t.execution) << ",\n \"fill_ms\": " << json_of(t.fill)
      << ",\n \"late_ms\": " << json_of(t.late) << ",\n \"cpu_user_s\": " << load.cpu().user_s
      << ", \"cpu_system_s\": " << load.cpu().system_s << ", \"cpu_us_per_ack\": " << cpu_us_per_ack(load)
      << ",\n \"error_count\": " << t.error_count << ", \"errors\": {";
  const char* comma = "";
  for (const auto& [reason, count] : t.errors()) out << comma << quoted(reason) << ": " << count, comma = ", ";
  out << "}}\n";
  return out.str();
}

}  // namespace ordergate::load
