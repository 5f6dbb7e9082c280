// A stream of commands of every kind, seven bytes each: the engine tells what the obvious engine tells, and their
// states are equal.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "core/engine.h"
#include "testing/domain.h"
#include "testing/side_by_side.h"

namespace {

using namespace ordergate;
using testing::Command;

// Takes few bits at a time from one command's bytes.
class Bits {
 public:
  explicit Bits(const std::uint8_t* bytes) {
    for (std::size_t i = 0; i < kBytes; ++i) bits_ |= std::uint64_t{bytes[i]} << 8 * i;
  }
  std::int64_t below(std::uint64_t limit) {
    const std::uint64_t value = bits_ % limit;
    bits_ /= limit;
    return static_cast<std::int64_t>(value);
  }
  std::string name(std::uint64_t limit) { return std::string(1, static_cast<char>('a' + below(limit))); }

  static constexpr std::size_t kBytes = 6;

 private:
  std::uint64_t bits_ = 0;
};

constexpr std::int64_t kMiddle = 100'000;

testing::New order_of(Bits& bits, std::int64_t now) {
  testing::New order{.id = bits.name(16), .side = static_cast<core::Side>(1 + bits.below(2))};
  order.account = bits.name(3);
  const std::int64_t type = bits.below(8);
  order.price = type == 0 || type == 1 ? 0 : kMiddle + bits.below(5);
  if (type == 1 || type == 2) order.stop_price = kMiddle + bits.below(5);
  order.quantity = 1 + bits.below(4);
  order.time_in_force = static_cast<core::TimeInForce>(1 + bits.below(5));
  if (order.time_in_force == core::TimeInForce::kGtd) order.expire_at = now + bits.below(8);
  order.stp = static_cast<core::SelfTradePrevention>(bits.below(6));
  order.display = bits.below(3);
  order.symbol = bits.below(3) == 0 ? "ZINC" : "ACME";
  order.post_only = bits.below(8) == 0;
  order.stp_group = bits.below(4) == 0 ? "g" : "";
  order.tag = bits.below(2) == 0 ? "t" : "";
  order.cancel_on_disconnect = bits.below(2) == 0;
  return order;
}

testing::Amend amend_of(Bits& bits, std::int64_t now) {
  testing::Amend amend{.id = bits.name(16), .target = bits.name(16)};
  amend.account = bits.name(3);
  if (bits.below(2) == 0) amend.price = kMiddle + bits.below(5);
  if (bits.below(2) == 0) amend.quantity = 1 + bits.below(6);
  if (bits.below(4) == 0) amend.stop_price = kMiddle + bits.below(5);
  if (bits.below(4) == 0) amend.expire_at = now + bits.below(8);
  if (bits.below(4) == 0) amend.expected_version = 1 + static_cast<std::uint64_t>(bits.below(3));
  amend.decimal = bits.below(4) == 0;
  if (amend.decimal) {
    amend.price_digits = amend.stop_digits = static_cast<std::uint8_t>(bits.below(4));
    amend.quantity_digits = static_cast<std::uint8_t>(bits.below(2));
  }
  if (!amend.decimal && bits.below(4) == 0) amend.symbol = "ACME";
  return amend;
}

testing::SetLimits limits_of(Bits& bits) {
  testing::SetLimits command{.id = bits.name(16), .account = bits.name(3)};
  const auto some = [&](std::uint64_t most) { return static_cast<std::uint64_t>(bits.below(2) * bits.below(most)); };
  command.limits.max_order_quantity = {some(40), 1};
  command.limits.max_open_orders = static_cast<std::uint32_t>(some(4));
  command.limits.max_position = {some(60), 1};
  command.limits.max_order_notional = {some(8) * kMiddle, 3};
  command.limits.max_open_notional = {some(16) * kMiddle, 3};
  command.limits.band_ppm = static_cast<std::uint32_t>(some(50));
  return command;
}

testing::SetTradingState state_of(Bits& bits) {
  testing::SetTradingState command{.id = bits.name(16), .state = static_cast<std::uint8_t>(1 + bits.below(3))};
  const std::int64_t scope = bits.below(4);
  if (scope == 1 || scope == 3) command.of_account = bits.name(3);
  if (scope == 2) command.of_symbol = bits.below(2) == 0 ? "ZINC" : "ACME";
  if (bits.below(2) == 0) command.state = 1;  // mostly open
  command.cancel_open_orders = bits.below(2) == 0;
  return command;
}

Command command_of(Bits& bits, std::int64_t now) {
  const std::int64_t kind = bits.below(16);
  if (kind < 9) return order_of(bits, now);
  if (kind < 11) {
    testing::Cancel cancel{.id = bits.name(16), .target = bits.name(16), .account = bits.name(3)};
    if (bits.below(4) == 0) cancel.owner = bits.name(3);
    return cancel;
  }
  if (kind < 13) return amend_of(bits, now);
  if (kind == 13) {
    testing::MassCancel command{.id = bits.name(16), .account = bits.name(3)};
    command.side = static_cast<std::uint8_t>(bits.below(3));
    command.tag = bits.below(2) == 0 ? "t" : "";
    command.disconnected = bits.below(2) == 0;
    return command;
  }
  if (kind == 14) return limits_of(bits);
  if (bits.below(3) == 0) return testing::Fence{.id = bits.name(16), .account = bits.name(3)};
  return state_of(bits);
}

void stop_if(const std::optional<std::string>& difference) {
  if (!difference) return;
  std::fprintf(stderr, "%s\n", difference->c_str());
  __builtin_trap();
}

}  // namespace

// To make an engine costs as much as a hundred commands, most of it AddressSanitizer's book-keeping of large blocks:
// long inputs from the start, and shadow memory that is kept.
extern "C" const char* __asan_default_options() { return "clear_shadow_mmap_threshold=1000000000"; }

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  static char flag[] = "-len_control=0";
  static std::vector<char*> all(*argv, *argv + *argc);
  all.insert(all.begin() + 1, flag);
  all.push_back(nullptr);
  *argv = all.data();
  *argc += 1;
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const core::EngineConfig config = [] {
    core::EngineConfig small =
        testing::config_of({.label = "fuzz", .ids = 16, .prices = 5, .forgetful = true, .open_orders_max = 6});
    small.frame_commands_max = 16;  // an engine with room for large frames takes longer to make than all else here
    return small;
  }();
  testing::SideBySide both(config);
  std::vector<Command> frame;
  std::int64_t now = 1;
  for (; size > Bits::kBytes; data += Bits::kBytes + 1, size -= Bits::kBytes + 1) {
    Bits bits(data + 1);
    frame.push_back(command_of(bits, now));
    // The first byte: whether the frame goes on, and how far time does if not.
    if ((*data & 3) == 3 && frame.size() < 8) continue;
    now += *data >> 2 & 7;
    if (*data >= 0xFC) now += 7 * testing::kHour;
    stop_if(both.apply(frame, now));
    stop_if(both.difference());
    frame.clear();
  }
  if (!frame.empty()) stop_if(both.apply(frame, now));
  return 0;
}
