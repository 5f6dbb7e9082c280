// Bytes of any kind as the state of an engine: refused, or a state that can be saved, loaded, and gone on from.
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/engine.h"
#include "core/state_io.h"
#include "testing/commands.h"
#include "testing/domain.h"
#include "testing/saved.h"

namespace {

using namespace ordergate;

core::EngineConfig small_config() {
  testing::Domain domain{.label = "", .ids = 40, .prices = 5};
  domain.open_orders_max = 20;
  core::EngineConfig config = testing::config_of(domain);
  config.ended_orders = 8;
  config.ids_window = 16;
  return config;
}

bool load(core::Engine& engine, std::string_view bytes) {
  core::StateReader reader(bytes);
  return engine.load(reader);
}

// What meets the orders of a state from all sides.
void go_on(core::Engine& engine) {
  testing::Commands commands;
  for (const core::Side side : {core::Side::kBuy, core::Side::kSell}) {
    for (const char* symbol : {"ACME", "ZINC"}) {
      testing::New order{.id = std::string("sweep") + symbol, .side = side, .price = 0, .quantity = 1'000'000'000};
      order.time_in_force = core::TimeInForce::kIoc;
      order.account = "sweeper";
      order.symbol = symbol;
      commands.add(order);
    }
  }
  commands.add(testing::MassCancel{.id = "all", .account = "alice"});
  core::EventSink sink;
  engine.apply(commands.frame(), {std::int64_t{1} << 60}, sink);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  core::Engine engine(small_config());
  if (!load(engine, {reinterpret_cast<const char*>(data), size})) return 0;
  const std::string state = testing::saved(engine);
  core::Engine again(small_config());
  if (!load(again, state) || testing::saved(again) != state) __builtin_trap();
  if (again.state_hash() != engine.state_hash()) __builtin_trap();
  go_on(engine);
  return 0;
}
