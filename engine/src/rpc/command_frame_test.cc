#include "rpc/command_frame.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/order.h"
#include "testing/flow.h"
#include "testing/proto_frame.h"

namespace ordergate::rpc {
namespace {

using log::v1::CommandFrame;
using testing::Amend;
using testing::Cancel;
using testing::Commands;
using testing::MassCancel;
using testing::New;
using testing::SetLimits;
using testing::SetTradingState;
using testing::Tick;

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

// A frame with every kind of command and every kind of row: orders b, s (with terms) and z; amends 1 and 2.
CommandFrame rare() {
  const core::Limits limits{.max_order_quantity = {15, 1},
                            .max_order_notional = {static_cast<std::uint64_t>(core::kValueMax), 18},
                            .max_open_orders = 7,
                            .max_open_notional = {1, 0},
                            .max_position = {3, 2},
                            .band_ppm = 1'000'000'000};
  Commands commands;
  commands.add(New{.id = "b", .price = 100})
      .add(New{.id = "s",
               .price = 90,
               .quantity = 9,
               .time_in_force = core::TimeInForce::kGtd,
               .stop_price = 95,
               .display = 3,
               .expire_at = 1'000,
               .stp = core::SelfTradePrevention::kDecrement,
               .stp_group = std::string(64, 'g'),
               .tag = "~tag!",
               .session = "s1",
               .cancel_on_disconnect = true})
      .add(Cancel{.id = "c", .target = "b", .expected_version = 3})
      .add(Amend{.id = "m1", .target = "s", .price = 91, .quantity = 8, .symbol = "ACME"})
      .add(Amend{.id = "m2",
                 .target = "s",
                 .price = 925,
                 .stop_price = 5,
                 .expire_at = 2'000,
                 .expected_version = 4,
                 .decimal = true,
                 .price_digits = 18,
                 .quantity_digits = 1,
                 .stop_digits = 2})
      .add(MassCancel{.id = "x", .symbol = "ACME", .side = 2, .tag = "t", .session = "s1", .disconnected = true})
      .add(MassCancel{.id = "y"})
      .add(SetTradingState{.id = "k", .state = 3, .of_account = "Zürich", .cancel_open_orders = true})
      .add(SetTradingState{.id = "l", .state = 2, .of_symbol = "ACME"})
      .add(SetLimits{.id = "n", .limits = limits})
      .add(New{.id = "z", .price = 1, .stp = core::SelfTradePrevention::kNone})
      .add(Tick{.id = "t"})
      .add(testing::Fence{.id = "f"});
  return testing::to_proto(commands.frame());
}

TEST(CommandFrameDecoder, RowsComeOutAsTheyWentIn) {
  CommandFrameDecoder decoder;
  const std::string bytes = rare().SerializeAsString();
  ASSERT_EQ(decoder.decode(bytes), std::nullopt);
  const core::CommandFrame& frame = decoder.frame();
  EXPECT_EQ(testing::to_proto(frame).SerializeAsString(), bytes);
  ASSERT_EQ(frame.terms.size(), 2u);
  EXPECT_EQ(frame.terms[0].row, 1u);
  EXPECT_EQ(frame.terms[0].stp, core::SelfTradePrevention::kDecrement);
  EXPECT_EQ(frame.terms[0].tag, "~tag!");
  EXPECT_TRUE(frame.terms[0].cancel_on_disconnect);
  EXPECT_EQ(frame.amend_symbols[0], 0u);
  EXPECT_EQ(frame.amend_symbols[1], core::kNoSymbol);
  EXPECT_TRUE(frame.amend_terms[0].decimal);
  EXPECT_EQ(frame.amend_terms[0].limit_price_digits, 18);
  EXPECT_EQ(frame.expected_versions[1].command, 4u);
  EXPECT_EQ(frame.mass_cancels[0].symbol, 0u);
  EXPECT_EQ(frame.mass_cancels[1].symbol, core::kNoSymbol);
  EXPECT_EQ(frame.trading_states[0].account, "Zürich");
  EXPECT_EQ(frame.trading_states[0].state, core::TradingState::kBlocked);
  EXPECT_EQ(frame.limits[0].limits.max_order_notional.digits, 18u);
}

TEST(CommandFrameDecoder, RowsOfOneFrameDoNotStayForTheNext) {
  CommandFrameDecoder decoder;
  const std::string first = rare().SerializeAsString();
  const std::string second = good().SerializeAsString();
  ASSERT_EQ(decoder.decode(first), std::nullopt);
  ASSERT_EQ(decoder.decode(second), std::nullopt);
  EXPECT_EQ(testing::to_proto(decoder.frame()).SerializeAsString(), second);
}

TEST(CommandFrameDecoder, ValuesOfOrdersAndStatesAreForTheCoreToRefuse) {
  CommandFrame frame = rare();
  frame.mutable_terms(0)->set_stop_price_ticks(-1);
  frame.mutable_terms(0)->set_display_lots(-5);
  frame.set_amend_limit_price_ticks(0, -7);
  frame.mutable_trading_states(0)->set_state(255);
  CommandFrameDecoder decoder;
  const std::string bytes = frame.SerializeAsString();
  ASSERT_EQ(decoder.decode(bytes), std::nullopt);
  EXPECT_EQ(decoder.frame().terms[0].stop_price, core::Price{-1});
  EXPECT_EQ(decoder.frame().amend_prices[0], core::Price{-7});
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
    {"kinds: unknown command kind", [](CommandFrame& f) { f.mutable_kinds()->at(0) = 9; }},
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
    {"order_types: unknown order type", [](CommandFrame& f) { f.mutable_order_types()->at(0) = 5; }},
    {"order_types: unknown order type", [](CommandFrame& f) { f.mutable_order_types()->at(0) = 0; }},
    {"times_in_force: unknown time in force", [](CommandFrame& f) { f.mutable_times_in_force()->at(0) = 6; }},
    {"times_in_force: unknown time in force", [](CommandFrame& f) { f.mutable_times_in_force()->at(0) = 0; }},
    {"flags: unknown flag", [](CommandFrame& f) { f.mutable_flags()->at(0) = 2; }},
    {"deadlines: command_index out of range", [](CommandFrame& f) { f.mutable_deadlines(0)->set_command_index(3); }},
    {"deadlines: a command has two", [](CommandFrame& f) { *f.add_deadlines() = f.deadlines(0); }},
    {"not a CommandFrame",
     [](CommandFrame& f) {
       f.mutable_deadlines(0)->GetReflection()->MutableUnknownFields(f.mutable_deadlines(0))->AddVarint(3, 1);
     }},
    {"deadlines: valid_until_ns is out", [](CommandFrame& f) { f.mutable_deadlines(0)->clear_valid_until_ns(); }},
};

// Each is refused in a frame that is good but for this.
void expect_named(const std::vector<Fault>& faults, CommandFrame (*make)()) {
  CommandFrameDecoder decoder;
  for (const Fault& fault : faults) {
    CommandFrame frame = make();
    fault.damage(frame);
    const std::string bytes = frame.SerializeAsString();
    const auto why = decoder.decode(bytes);
    ASSERT_TRUE(why) << fault.expected;
    EXPECT_NE(why->find(fault.expected), std::string::npos) << *why << " instead of " << fault.expected;
  }
}

TEST(CommandFrameDecoder, EachFaultIsNamed) { expect_named(kFaults, good); }

void drop_last(CommandFrame& frame, const char* field) {
  frame.GetReflection()->RemoveLast(&frame, frame.GetDescriptor()->FindFieldByName(field));
}

const std::string kTooLong(65, 'x');
constexpr std::uint64_t kNegative = 1ull << 63;

const std::vector<Fault> kRowFaults{
    {"amend_limit_price_ticks: 1 instead of 2", [](CommandFrame& f) { drop_last(f, "amend_limit_price_ticks"); }},
    {"amend_quantity_lots: 1 instead of 2", [](CommandFrame& f) { drop_last(f, "amend_quantity_lots"); }},
    {"amend_symbol: 1 instead of 2", [](CommandFrame& f) { drop_last(f, "amend_symbol"); }},
    {"targets: 32 instead of 48", [](CommandFrame& f) { f.mutable_targets()->resize(32); }},
    {"mass_cancels: 1 instead of 2", [](CommandFrame& f) { drop_last(f, "mass_cancels"); }},
    {"trading_states: 1 instead of 2", [](CommandFrame& f) { drop_last(f, "trading_states"); }},
    {"limits: 0 instead of 1", [](CommandFrame& f) { drop_last(f, "limits"); }},
    {"limits: 2 instead of 1", [](CommandFrame& f) { *f.add_limits() = f.limits(0); }},
    {"amend_symbol: out of range", [](CommandFrame& f) { f.set_amend_symbol(0, 2); }},
    {"terms: order_index is out", [](CommandFrame& f) { f.mutable_terms(1)->set_order_index(3); }},
    {"terms: order_index is out", [](CommandFrame& f) { f.mutable_terms(1)->set_order_index(1); }},
    {"terms: order_index is out", [](CommandFrame& f) { f.mutable_terms(1)->set_order_index(0); }},
    {"terms: expire_at_ns", [](CommandFrame& f) { f.mutable_terms(0)->set_expire_at_ns(kNegative); }},
    {"terms: unknown self_trade", [](CommandFrame& f) { f.mutable_terms(0)->set_self_trade_prevention(6); }},
    {"number is out of range", [](CommandFrame& f) { f.mutable_terms(0)->set_self_trade_prevention(256); }},
    {"terms: one stp_group", [](CommandFrame& f) { f.mutable_terms(0)->set_stp_group(kTooLong); }},
    {"terms: one tag", [](CommandFrame& f) { f.mutable_terms(0)->set_tag("a b"); }},
    {"terms: one session", [](CommandFrame& f) { f.mutable_terms(1)->set_session("ü"); }},
    {"amend_terms: amend_index is out", [](CommandFrame& f) { f.mutable_amend_terms(0)->set_amend_index(2); }},
    {"amend_terms: amend_index is out", [](CommandFrame& f) { *f.add_amend_terms() = f.amend_terms(0); }},
    {"amend_terms: expire_at_ns", [](CommandFrame& f) { f.mutable_amend_terms(0)->set_expire_at_ns(kNegative); }},
    {"amend_terms: more than 18", [](CommandFrame& f) { f.mutable_amend_terms(0)->set_limit_price_digits(19); }},
    {"amend_terms: more than 18", [](CommandFrame& f) { f.mutable_amend_terms(0)->set_quantity_digits(19); }},
    {"amend_terms: more than 18", [](CommandFrame& f) { f.mutable_amend_terms(0)->set_stop_price_digits(255); }},
    {"amend_terms: decimal beside", [](CommandFrame& f) { f.set_amend_symbol(1, 1); }},
    {"expected_versions: command_index",
     [](CommandFrame& f) { f.mutable_expected_versions(1)->set_command_index(13); }},
    {"expected_versions: command_index", [](CommandFrame& f) { f.mutable_expected_versions(1)->set_command_index(2); }},
    {"neither cancel nor amend", [](CommandFrame& f) { f.mutable_expected_versions(0)->set_command_index(0); }},
    {"neither cancel nor amend", [](CommandFrame& f) { f.mutable_expected_versions(1)->set_command_index(5); }},
    {"mass_cancels: symbol", [](CommandFrame& f) { f.mutable_mass_cancels(0)->set_symbol(2); }},
    {"mass_cancels: unknown side", [](CommandFrame& f) { f.mutable_mass_cancels(1)->set_side(3); }},
    {"mass_cancels: one tag", [](CommandFrame& f) { f.mutable_mass_cancels(1)->set_tag(kTooLong); }},
    {"mass_cancels: one session", [](CommandFrame& f) { f.mutable_mass_cancels(1)->set_session("\x7F"); }},
    {"trading_states: one account", [](CommandFrame& f) { f.mutable_trading_states(0)->set_account("\n"); }},
    {"trading_states: symbol", [](CommandFrame& f) { f.mutable_trading_states(0)->set_symbol(2); }},
    {"number is out of range", [](CommandFrame& f) { f.mutable_trading_states(0)->set_state(256); }},
    {"limits: one account", [](CommandFrame& f) { f.mutable_limits(0)->clear_account(); }},
    {"limits: a decimal", [](CommandFrame& f) { f.mutable_limits(0)->mutable_max_position()->set_digits(19); }},
    {"limits: a decimal",
     [](CommandFrame& f) {
       f.mutable_limits(0)->mutable_max_order_quantity()->set_mantissa(static_cast<std::uint64_t>(core::kValueMax) + 1);
     }},
    {"limits: price_band_ppm", [](CommandFrame& f) { f.mutable_limits(0)->set_price_band_ppm(1'000'000'001); }},
};

TEST(CommandFrameDecoder, EachFaultOfARowIsNamed) { expect_named(kRowFaults, rare); }

TEST(CommandFrameDecoder, UnknownFieldOfAnyRowIsRefused) {
  CommandFrameDecoder decoder;
  for (const char* list : {"terms", "amend_terms", "expected_versions", "mass_cancels", "trading_states", "limits"}) {
    CommandFrame frame = rare();
    const google::protobuf::FieldDescriptor* const field = frame.GetDescriptor()->FindFieldByName(list);
    google::protobuf::Message& row = *frame.GetReflection()->MutableRepeatedMessage(&frame, field, 0);
    row.GetReflection()->MutableUnknownFields(&row)->AddVarint(15, 1);
    const std::string bytes = frame.SerializeAsString();
    EXPECT_NE(decoder.decode(bytes).value_or("taken").find("not a CommandFrame"), std::string::npos) << list;
  }
}

TEST(CommandFrameDecoder, FrameOfMoreCommandsThanTheCoreTakesIsRefused) {
  CommandFrame frame;
  frame.set_format(1);
  frame.set_queued_at_ns(1);
  frame.set_kinds(std::string(core::kFrameCommandsMax + 1, '\7'));
  CommandFrameDecoder decoder;
  const std::string bytes = frame.SerializeAsString();
  EXPECT_EQ(decoder.decode(bytes), "kinds: more than 65536 commands");
}

TEST(CommandFrameDecoder, UnknownFieldsAndTypesAreRefused) {
  CommandFrameDecoder decoder;
  const std::string bytes = good().SerializeAsString();
  EXPECT_EQ(decoder.decode(bytes + std::string("\xEA\x01\x00", 3)), "field 29 is unknown or of another type");
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

void expect_sizes(const core::CommandFrame& frame) {
  const auto count = [&frame](core::CommandKind kind) {
    return static_cast<std::size_t>(std::ranges::count(frame.kinds, kind));
  };
  for (const std::size_t size : {frame.command_ids.size(), frame.account_index.size(), frame.age_us.size()}) {
    ASSERT_EQ(size, frame.size());
  }
  for (const std::size_t size :
       {frame.symbol_index.size(), frame.sides.size(), frame.types.size(), frame.times_in_force.size(),
        frame.flags.size(), frame.prices.size(), frame.quantities.size()}) {
    ASSERT_EQ(size, count(core::CommandKind::kNewOrder));
  }
  for (const std::size_t size :
       {frame.amend_prices.size(), frame.amend_quantities.size(), frame.amend_symbols.size()}) {
    ASSERT_EQ(size, count(core::CommandKind::kAmendOrder));
  }
  ASSERT_EQ(frame.mass_cancels.size(), count(core::CommandKind::kMassCancel));
  ASSERT_EQ(frame.trading_states.size(), count(core::CommandKind::kSetTradingState));
  ASSERT_EQ(frame.limits.size(), count(core::CommandKind::kSetLimits));
  ASSERT_TRUE(frame.valid_until.empty() || frame.valid_until.size() == frame.size());
}

void expect_values(const core::CommandFrame& frame) {
  const auto named = [&frame](std::uint32_t symbol) {
    return symbol == core::kNoSymbol || symbol < frame.symbols.size();
  };
  for (const std::uint32_t index : frame.account_index) ASSERT_LT(index, frame.accounts.size());
  for (const std::uint32_t index : frame.symbol_index) ASSERT_LT(index, frame.symbols.size());
  for (const std::string_view id : frame.command_ids) ASSERT_LE(id.size(), core::kCommandIdMax);
  for (const std::uint32_t symbol : frame.amend_symbols) ASSERT_TRUE(named(symbol));
  for (const core::MassCancel& row : frame.mass_cancels) ASSERT_TRUE(named(row.symbol));
  for (const core::TradingStateChange& row : frame.trading_states) ASSERT_TRUE(named(row.symbol));
  for (const core::OrderTerms& row : frame.terms) {
    ASSERT_LT(row.row, frame.sides.size());
    ASSERT_LE(std::max({row.tag.size(), row.session.size(), row.stp_group.size()}), core::kCommandIdMax);
  }
  for (const core::AmendTerms& row : frame.amend_terms) ASSERT_LT(row.row, frame.amend_prices.size());
  for (const core::ExpectedVersion& row : frame.expected_versions) ASSERT_LT(row.command, frame.size());
}

// Whatever the bytes: refused, or a frame that keeps what frame.h requires. The sanitizer build watches the rest.
TEST(CommandFrameDecoder, DamagedBytesNeverGiveAFrameThatTheCoreCouldMisread) {
  CommandFrameDecoder decoder;
  testing::Random random(5);
  const std::string wholes[] = {good().SerializeAsString(), rare().SerializeAsString()};
  int taken = 0;
  for (int round = 0; round < 200'000; ++round) {
    const std::string& whole = wholes[round % 2];
    const auto size = static_cast<std::int64_t>(whole.size());
    std::string bytes = whole.substr(0, static_cast<std::size_t>(random.one_in(4) ? random.below(size) : size));
    for (std::int64_t i = random.below(4); i > 0 && !bytes.empty(); --i) {
      bytes[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(bytes.size())))] =
          static_cast<char>(random.below(256));
    }
    if (decoder.decode(bytes)) continue;
    ++taken;
    expect_sizes(decoder.frame());
    expect_values(decoder.frame());
    ASSERT_FALSE(HasFatalFailure());
  }
  EXPECT_GT(taken, 1000) << "the damage is so great that nothing is tested";
}

}  // namespace
}  // namespace ordergate::rpc
