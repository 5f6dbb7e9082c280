#include "rpc/command_frame.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/texts.h"
#include "testing/flow.h"
#include "testing/proto_frame.h"

namespace ordergate::rpc {
namespace {

using log::v1::CommandFrame;
using testing::Cancel;
using testing::Commands;
using testing::New;

CommandFrame good() {
  Commands commands;
  commands.add(New{.id = "a", .price = 100, .valid_until = 77})
      .add(Cancel{.id = "c", .target = "a"})
      .add(New{.id = "b", .side = core::Side::kSell, .price = 0, .account = "bob", .symbol = "ZINC"});
  return testing::to_proto(commands.frame());
}

TEST(CommandFrameDecoder, ColumnsComeOutAsTheyWentIn) {
  CommandFrameDecoder decoder;
  const std::string bytes = good().SerializeAsString();
  ASSERT_EQ(decoder.decode(bytes), std::nullopt);
  const core::CommandFrame& frame = decoder.frame();
  EXPECT_EQ(testing::to_proto(frame).SerializeAsString(), bytes);
  EXPECT_EQ(frame.size(), 3u);
  EXPECT_EQ(frame.command_ids[2], "b");
  EXPECT_EQ(frame.valid_until[0], core::Time{77});
  EXPECT_EQ(frame.types[1], core::OrderType::kMarket);
}

TEST(CommandFrameDecoder, EmptyFrameIsGood) {
  CommandFrame empty;
  empty.set_format(1);
  empty.set_queued_at_ns(1);
  CommandFrameDecoder decoder;
  const std::string bytes = empty.SerializeAsString();
  EXPECT_EQ(decoder.decode(bytes), std::nullopt);
  EXPECT_EQ(decoder.frame().size(), 0u);
}

TEST(CommandFrameDecoder, UnpackedNumbersAreTakenToo) {
  std::string bytes = good().SerializeAsString();
  CommandFrame without = good();
  without.clear_age_us();
  bytes = without.SerializeAsString();
  for (int i = 0; i < 3; ++i) bytes += std::string("\x50\x07", 2);  // field 10, varint 7
  CommandFrameDecoder decoder;
  ASSERT_EQ(decoder.decode(bytes), std::nullopt);
  EXPECT_EQ(decoder.frame().age_us[2], 7u);
}

struct Fault {
  const char* expected;
  std::function<void(CommandFrame&)> damage;
};

const std::vector<Fault> kFaults{
    {"format 2 is not 1", [](CommandFrame& f) { f.set_format(2); }},
    {"format 0 is not 1", [](CommandFrame& f) { f.clear_format(); }},
    {"queued_at_ns is out of range", [](CommandFrame& f) { f.clear_queued_at_ns(); }},
    {"queued_at_ns is out of range", [](CommandFrame& f) { f.set_queued_at_ns(1ull << 63); }},
    {"kinds: unknown command kind", [](CommandFrame& f) { f.mutable_kinds()->at(0) = 3; }},
    {"kinds: unknown command kind", [](CommandFrame& f) { f.mutable_kinds()->at(0) = 0; }},
    {"keys: 47 instead of 48", [](CommandFrame& f) { f.mutable_keys()->pop_back(); }},
    {"keys: 48 instead of 64", [](CommandFrame& f) { f.mutable_kinds()->push_back(2); }},
    {"command_ids: 4 instead of 3", [](CommandFrame& f) { f.add_command_ids("x"); }},
    {"account_index: 4 instead of 3", [](CommandFrame& f) { f.add_account_index(0); }},
    {"age_us: 4 instead of 3", [](CommandFrame& f) { f.add_age_us(0); }},
    {"symbol_index: 3 instead of 2", [](CommandFrame& f) { f.add_symbol_index(0); }},
    {"sides: 3 instead of 2", [](CommandFrame& f) { f.mutable_sides()->push_back(1); }},
    {"order_types: 1 instead of 2", [](CommandFrame& f) { f.mutable_order_types()->pop_back(); }},
    {"times_in_force: 1 instead of 2", [](CommandFrame& f) { f.mutable_times_in_force()->pop_back(); }},
    {"flags: 1 instead of 2", [](CommandFrame& f) { f.mutable_flags()->pop_back(); }},
    {"limit_price_ticks: 3 instead of 2", [](CommandFrame& f) { f.add_limit_price_ticks(1); }},
    {"quantity_lots: 3 instead of 2", [](CommandFrame& f) { f.add_quantity_lots(1); }},
    {"targets: 0 instead of 16", [](CommandFrame& f) { f.clear_targets(); }},
    {"command_ids: one is not 1 to 64", [](CommandFrame& f) { f.set_command_ids(0, ""); }},
    {"command_ids: one is not 1 to 64", [](CommandFrame& f) { f.set_command_ids(0, std::string(65, 'x')); }},
    {"command_ids: one is not 1 to 64", [](CommandFrame& f) { f.set_command_ids(0, "a b"); }},
    {"accounts: one is not a name", [](CommandFrame& f) { f.set_accounts(0, ""); }},
    {"accounts: one is not a name", [](CommandFrame& f) { f.set_accounts(0, std::string("a\0b", 3)); }},
    {"accounts: one is not a name", [](CommandFrame& f) { f.set_accounts(0, std::string(257, 'x')); }},
    {"symbols: one is not a name", [](CommandFrame& f) { f.set_symbols(0, "\n"); }},
    {"account_index: out of range", [](CommandFrame& f) { f.set_account_index(0, 2); }},
    {"symbol_index: out of range", [](CommandFrame& f) { f.set_symbol_index(0, 2); }},
    {"sides: unknown side", [](CommandFrame& f) { f.mutable_sides()->at(0) = 0; }},
    {"sides: unknown side", [](CommandFrame& f) { f.mutable_sides()->at(0) = 3; }},
    {"order_types: unknown order type", [](CommandFrame& f) { f.mutable_order_types()->at(0) = 3; }},
    {"times_in_force: unknown time in force", [](CommandFrame& f) { f.mutable_times_in_force()->at(0) = 2; }},
    {"flags: unknown flag", [](CommandFrame& f) { f.mutable_flags()->at(0) = 2; }},
    {"deadlines: command_index out of range", [](CommandFrame& f) { f.mutable_deadlines(0)->set_command_index(3); }},
    {"deadlines: a command has two", [](CommandFrame& f) { *f.add_deadlines() = f.deadlines(0); }},
    {"not a CommandFrame",
     [](CommandFrame& f) {
       f.mutable_deadlines(0)->GetReflection()->MutableUnknownFields(f.mutable_deadlines(0))->AddVarint(3, 1);
     }},
    {"deadlines: valid_until_ns is out", [](CommandFrame& f) { f.mutable_deadlines(0)->clear_valid_until_ns(); }},
};

TEST(CommandFrameDecoder, EachFaultIsNamed) {
  CommandFrameDecoder decoder;
  for (const Fault& fault : kFaults) {
    CommandFrame frame = good();
    fault.damage(frame);
    const std::string bytes = frame.SerializeAsString();
    const auto why = decoder.decode(bytes);
    ASSERT_TRUE(why) << fault.expected;
    EXPECT_NE(why->find(fault.expected), std::string::npos) << *why << " instead of " << fault.expected;
  }
}

TEST(CommandFrameDecoder, UnknownFieldsAndTypesAreRefused) {
  CommandFrameDecoder decoder;
  const std::string bytes = good().SerializeAsString();
  EXPECT_EQ(decoder.decode(bytes + std::string("\xA2\x01\x00", 3)), "field 20 is unknown or of another type");
  EXPECT_EQ(decoder.decode(bytes + std::string("\x32\x7F", 2)),
            "not a CommandFrame: bytes are missing or a number is out of range");
  EXPECT_EQ(decoder.decode(bytes + std::string("\x30\x01", 2)), "field 6 is unknown or of another type");
}

TEST(CommandFrameDecoder, NamesMustBeUtf8) {
  CommandFrameDecoder decoder;
  const std::pair<const char*, bool> rows[] = {
      {"Zürich", true},    {"株式会社", true},      {"\xF0\x9F\x98\x80", true}, {"\xC3", false},
      {"\xC0\xAF", false}, {"\xE0\x80\xAF", false}, {"\xED\xA0\x80", false},    {"\xF5\x80\x80\x80", false},
      {"\xFF", false},     {"a\x7F", false}};
  for (const auto& [name, taken] : rows) {
    Commands commands;
    commands.add(New{.id = "a", .price = 1, .account = "??"});
    std::string bytes = testing::to_proto(commands.frame()).SerializeAsString();
    const std::size_t at = bytes.find("??") - 1;
    bytes.replace(at, 3, std::string(1, static_cast<char>(std::strlen(name))) + name);
    EXPECT_EQ(!decoder.decode(bytes).has_value(), taken) << name;
  }
}

// Whatever the bytes: refused, or a frame that keeps what frame.h requires. The sanitizer build watches the rest.
TEST(CommandFrameDecoder, DamagedBytesNeverGiveAFrameThatTheCoreCouldMisread) {
  CommandFrameDecoder decoder;
  testing::Random random(5);
  const std::string whole = good().SerializeAsString();
  int taken = 0;
  for (int round = 0; round < 200'000; ++round) {
    std::string bytes = whole.substr(
        0, random.one_in(4) ? static_cast<std::size_t>(random.below(static_cast<std::int64_t>(whole.size())))
                            : whole.size());
    for (std::int64_t i = random.below(4); i > 0 && !bytes.empty(); --i) {
      bytes[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(bytes.size())))] =
          static_cast<char>(random.below(256));
    }
    if (decoder.decode(bytes)) continue;
    ++taken;
    const core::CommandFrame& frame = decoder.frame();
    const auto orders = static_cast<std::size_t>(std::ranges::count(frame.kinds, core::CommandKind::kNewOrder));
    ASSERT_EQ(frame.command_ids.size(), frame.size());
    ASSERT_EQ(frame.account_index.size(), frame.size());
    ASSERT_EQ(frame.age_us.size(), frame.size());
    for (const std::size_t size :
         {frame.symbol_index.size(), frame.sides.size(), frame.types.size(), frame.times_in_force.size(),
          frame.flags.size(), frame.prices.size(), frame.quantities.size()}) {
      ASSERT_EQ(size, orders);
    }
    for (const std::uint32_t index : frame.account_index) ASSERT_LT(index, frame.accounts.size());
    for (const std::uint32_t index : frame.symbol_index) ASSERT_LT(index, frame.symbols.size());
    for (const std::string_view id : frame.command_ids) ASSERT_LE(id.size(), core::kCommandIdMax);
    ASSERT_TRUE(frame.valid_until.empty() || frame.valid_until.size() == frame.size());
  }
  EXPECT_GT(taken, 1000) << "the damage is so great that nothing is tested";
}

}  // namespace
}  // namespace ordergate::rpc
