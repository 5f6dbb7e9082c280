// The matching engine of one shard: a pure function of command frames and their engine times.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/accounts.h"
#include "core/book.h"
#include "core/event.h"
#include "core/expiries.h"
#include "core/frame.h"
#include "core/labels.h"
#include "core/limits.h"
#include "core/names.h"
#include "core/orders.h"
#include "core/stops.h"
#include "core/types.h"
#include "core/window.h"

namespace ordergate::core {

class StateReader;
class StateWriter;

// What the core needs to know of an instrument. REQUIRES: all limits within 1..kValueMax.
struct InstrumentLimits {
  std::string symbol;
  Price min_price;
  Price max_price;
  Quantity max_quantity;
  Price reference_price = {0};  // 0: none
  std::uint32_t band_ppm = 0;   // millionths of the reference; 0: no band
  Decimal price_increment = {1, 0};
  Decimal lot_size = {1, 0};
};

// Fixed at construction; two engines agree only if these do.
struct EngineConfig {
  std::vector<InstrumentLimits> instruments;
  Limits default_limits = {};                            // of accounts that have none of their own
  Time trading_day_end = {0};                            // of every day, ns after midnight UTC
  std::uint32_t open_orders_max = 4'194'304;             // that rest or wait
  std::uint32_t ended_orders = 16'384;                   // that are held for late cancels and repeats; RULES.md
  std::uint32_t frame_commands_max = kFrameCommandsMax;  // room is kept for so many
  std::uint32_t ids_window = 1'048'576;                  // commands whose repeat is recognised
  Time ids_age = {std::int64_t{24} * 3600 * 1'000'000'000};
};

// Totals since the beginning of the log.
struct Counters {
  std::uint64_t commands = 0;
  std::uint64_t events = 0;
  std::uint64_t trades = 0;
};

// What an account may do, and what it uses of it.
struct AccountView {
  Limits limits;
  std::uint32_t open_orders;
  Decimal open_notional;
  std::vector<std::pair<std::uint32_t, std::int64_t>> positions;  // instrument, lots; those that are not 0
};

// Not thread-safe. Makes no system call but for memory, reads no clock.
class Engine {
 public:
  // Throws std::invalid_argument if sums of notionals could overflow (NotionalUnits).
  explicit Engine(EngineConfig config);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Applies the frame at the later of `time` and the last engine time, and appends its events to `sink`, which the
  // caller has cleared. Every command yields at least one event.
  void apply(const CommandFrame& frame, Time time, EventSink& sink);
  // The same in steps: one command each. REQUIRES: the frame stays as it is until end().
  void begin(const CommandFrame& frame, Time time, EventSink& sink);
  bool more() const { return at_.command < frame_->size(); }
  void step(EventSink& sink);
  void end(EventSink& sink);

  // Engine time of the last frame.
  Time time() const { return time_; }
  const Counters& counters() const { return counters_; }
  // Orders that rest or wait.
  std::uint32_t open_orders() const { return open_; }
  // When the next order is due to expire; 0: none is.
  Time next_expiry() const { return expiries_.next(); }

  // What an event's indices stand for; valid until the next frame.
  const Order& order(std::uint32_t index) const { return orders_[index]; }
  // Its less usual terms and state, or nullptr.
  const Extras* extras(const Order& order) const { return order.extras == 0 ? nullptr : &extras_[order.extras]; }
  // A tag, session or group.
  std::string_view label(std::uint32_t index) const { return labels_.text(index); }
  std::string_view account(std::uint32_t index) const { return accounts_.name(index); }
  std::uint32_t accounts() const { return accounts_.size(); }
  // Symbols below instruments() are those of the configuration, in its order; the others are unknown ones.
  std::string_view symbol(std::uint32_t index) const { return symbols_.name(index); }
  std::uint32_t instruments() const { return market_count_; }
  const Book& book(std::uint32_t instrument) const { return markets_[instrument].book; }
  const NodePool& nodes() const { return orders_.nodes(); }
  // The order with the id, if it is held; else 0.
  std::uint32_t find(const OrderId& id) const { return orders_.find(id); }
  // Nothing for an account that was never seen: it has the default limits.
  std::optional<AccountView> account_view(std::string_view name) const;

  // Hash over all state, the same however the commands were divided into frames.
  std::string state_hash() const;

  // The whole state, between two frames. Loaded by an engine of the same configuration it goes on as this one does.
  void save(StateWriter& out) const;
  // REQUIRES: nothing was applied yet. False if the bytes are no state of such an engine: it is then of no use. Whoever
  // loads compares state_hash() with that of the engine that saved.
  bool load(StateReader& in);

 private:
  // One instrument.
  struct Market {
    explicit Market(NodePool& nodes) : book(nodes) {}
    Book book;
    Price last{0};  // price of the last trade; 0 before the first
    Price min_price{0};
    Price max_price{0};
    std::uint64_t unit = 0;  // NotionalUnits
    std::uint32_t band_ppm = 0;
    TradingState state = TradingState::kActive;
    bool level_may_fill = false;  // so many orders of the largest quantity don't add up
    Stops stops;
  };

  // The command under way: where it stands in the frame, and whose it is.
  struct Place {
    std::uint32_t command;
    std::uint32_t account;
    bool stale;
  };

  // A symbol of a frame as ours.
  struct Symbol {
    std::uint32_t number;
    std::uint64_t hash;  // of its name
  };

  // Where the frame's columns and rows are read next.
  struct Cursors {
    std::uint32_t command = 0;
    std::uint32_t order = 0;
    std::uint32_t target = 0;
    std::uint32_t amend = 0;
    std::uint32_t mass_cancel = 0;
    std::uint32_t trading_state = 0;
    std::uint32_t limits = 0;
    std::uint32_t terms = 0;
    std::uint32_t amend_terms = 0;
    std::uint32_t expected_version = 0;
  };

  // New terms of an order, once its amend is understood.
  struct Amendment {
    Price price;
    Quantity quantity;
    Price stop_price;
    Time expire_at;
    Reason reason = Reason::kNone;  // why it can't be understood
  };

  // Who is concerned by a mass cancel or a kill switch.
  struct Criteria {
    std::uint32_t account = kAny;
    std::uint32_t symbol = kAny;
    std::uint8_t side = 0;
    std::uint32_t tag = kAny;
    std::uint32_t session = kAny;
    bool disconnected = false;
    bool even_blocked = false;
    Cause cause = Cause::kMassCancel;

    static constexpr std::uint32_t kAny = 0xFFFF'FFFFu;
  };

  // engine.cc: frames, new orders, cancels, events
  void bind();
  void look_ahead(std::uint32_t command);
  void look_ahead_of_order();
  void look_ahead_of_target();
  std::uint32_t account_of(std::uint32_t index);
  void expire(EventSink& sink);
  void command(EventSink& sink);
  void dispatch(CommandKind kind, EventSink& sink);
  void new_order(EventSink& sink);
  template <bool plain>  // Kinds::plain(), and without terms
  [[gnu::always_inline]] void take(std::uint32_t index, EventSink& sink);
  void take_special(std::uint32_t index, EventSink& sink);
  std::uint32_t record(const OrderId& id, std::uint32_t row, Kinds kinds, std::uint32_t content);
  void record_terms(Order& order, const OrderTerms* given);
  const OrderTerms* terms_of(std::uint32_t row);
  std::uint32_t content_of_new(std::uint32_t row, Kinds kinds, const OrderTerms* terms) const;
  void cancel_order(EventSink& sink);
  std::uint64_t expected_version();
  std::uint32_t own_target(const OrderId& target, std::uint32_t hint) const;
  bool seen_before(const OrderId& id, std::uint32_t content, std::uint32_t shown, EventSink& sink);
  void remember(const OrderId& id, std::uint32_t content) { window_.remember(id, content); }
  Event& tell(EventSink& sink, EventKind kind, std::uint32_t index, bool answers, Cause cause = Cause::kNone,
              Liquidity liquidity = Liquidity::kNone);
  Event& show(EventSink& sink, EventKind kind, std::uint32_t index, Reason reason);

  // refusal.cc: why an order is not taken (and account_view)
  template <bool plain>
  Reason refusal(const Order& order) const;
  Reason refusal_of_terms(const Order& order) const;
  Reason refusal_of_price(const Order& order) const;
  Reason refusal_of_exposure(const Order& order, bool rests, Quantity quantity, Price price, Quantity open_before,
                             Price price_before) const;
  Reason refusal_of_room(const Order& order, Quantity quantity, Price price) const;
  bool within_band(Price price, Price reference, std::uint32_t band_ppm) const;
  std::uint32_t band_of(const Order& order) const;
  Price reference(std::uint32_t symbol) const;
  TradingState state_of(std::uint32_t symbol, std::uint32_t account) const;
  const ReadyLimits& limits_of(std::uint32_t account) const { return limits_[accounts_[account].limits]; }
  Notional notional_of(std::uint32_t symbol, Price price, Quantity quantity) const;
  static bool can_rest(const Order& order);
  Price open_price(const Order& order) const;

  // matching.cc: what happens to an order that was taken
  template <bool plain>
  void start(std::uint32_t index, EventSink& sink);
  void enter(std::uint32_t index, Price limit, TimeInForce time_in_force, bool answers, EventSink& sink);
  void match(std::uint32_t index, Price limit, bool answers, EventSink& sink);
  void trade(std::uint32_t maker, std::uint32_t taker, bool answers, EventSink& sink);
  void replenish(std::uint32_t index);
  bool same_owner(const Order& a, const Order& b) const;
  bool prevent(std::uint32_t maker, std::uint32_t taker, bool answers, EventSink& sink);
  void decrement(std::uint32_t index, Quantity by, bool answers, EventSink& sink);
  bool can_fill(const Order& order, Price limit) const;
  bool can_fill_from_others(const Order& order, Price limit) const;
  Price market_limit(const Order& order) const;
  void rest(std::uint32_t index);
  void unrest(std::uint32_t index);
  void wait(std::uint32_t index);
  void unwait(std::uint32_t index);
  void take_out(std::uint32_t index);
  void close(std::uint32_t index);
  void cancel_rest(std::uint32_t index, Cause cause, bool answers, EventSink& sink);
  void cancel_rest_here(std::uint32_t index, Cause cause, bool answers, EventSink& sink);
  bool triggered_already(const Order& order) const;
  void trigger(std::uint32_t index, bool answers, EventSink& sink);
  void run_triggers(EventSink& sink);
  void add_open(const Order& order, Price price, std::int64_t lots);
  void revise(std::uint32_t index, EventSink& sink);

  // amends.cc
  void amend_order(EventSink& sink);
  Amendment read_amend(std::uint32_t row, const AmendTerms* terms, const Order& order) const;
  Reason refusal_of_amend(const Order& order, const Amendment& amend, std::uint64_t version, std::uint32_t symbol,
                          bool given) const;
  Reason refusal_of_new_prices(const Order& order, const Amendment& amend, bool new_stop) const;
  bool keeps_priority(const Order& order, const Amendment& amend) const;
  void amend(std::uint32_t index, const Amendment& amend, EventSink& sink);
  void amend_in_place(std::uint32_t index, Quantity quantity);
  void set_expiry(std::uint32_t index, Time expire_at);

  // operations.cc: what concerns many orders
  void mass_cancel(EventSink& sink);
  void set_trading_state(EventSink& sink);
  void set_limits(EventSink& sink);
  void tick(EventSink& sink);
  void fence(EventSink& sink);
  // Stands in the window for an id that a fence has made unusable; no command's digest, but by accident.
  static constexpr std::uint32_t kFenceContent = 0xF37C'ED1Du;
  static bool is_fence(const Window::Found& found) { return found.known && found.content == kFenceContent; }
  MassCancelTold cancel_all(const Criteria& criteria, EventSink& sink);
  bool concerned(const Order& order, const Criteria& criteria) const;
  void find_concerned(std::uint32_t symbol, const Criteria& criteria, std::vector<std::uint32_t>& found) const;
  void tell_done(MassCancelTold told, EventSink& sink);
  Event& tell_account(EventSink& sink, EventKind kind, std::uint32_t account, Reason reason);

  // engine_state.cc
  void save_account(StateWriter& out, std::uint32_t index) const;
  void save_market(StateWriter& out, const Market& market) const;
  void save_order(StateWriter& out, std::uint32_t index) const;
  void load_account(StateReader& in);
  void load_market(StateReader& in, std::uint32_t symbol);
  void load_resting(StateReader& in, std::uint32_t index);
  std::uint32_t load_order(StateReader& in);
  bool within_range(std::uint32_t symbol, Price price) const;
  void load_extras(StateReader& in, Order& order);

  // engine_hash.cc
  void add_order(StateHash& hash, const Order& order) const;
  void add_market(StateHash& hash, const Market& market) const;
  void add_account(StateHash& hash, std::uint32_t index) const;

  OrderId key() const { return OrderId::read(frame_->ids + place_.command * sizeof(OrderId)); }

  // Configuration.
  std::vector<InstrumentLimits> instruments_;
  NotionalUnits units_;
  Time trading_day_end_;
  std::uint32_t open_max_;

  // State.
  Time time_{0};
  Counters counters_;
  TradingState state_ = TradingState::kActive;
  bool restricted_ = false;  // a trading state was set since the start: only to look no further as long as none was
  Orders orders_;
  std::vector<Extras> extras_ = std::vector<Extras>(1);  // 0: none
  std::vector<std::uint32_t> free_extras_;
  Labels labels_;
  std::vector<Market> markets_;
  std::uint32_t market_count_ = 0;
  Accounts accounts_;
  std::vector<ReadyLimits> limits_;  // 0: the default ones
  Names symbols_;
  Window window_;
  Expiries expiries_;
  std::uint64_t accepted_ = 0;  // orders, and renewed arrivals of stops
  std::uint32_t open_ = 0;

  // Scratch of one frame.
  const CommandFrame* frame_ = nullptr;
  Cursors at_;
  Place place_{};
  bool printed_ = false;  // the command traded while stops wait
  std::vector<std::uint32_t> frame_accounts_;
  std::vector<Symbol> frame_symbols_;
  std::size_t targets_ = 0;               // of the frame: cancels and amends
  std::array<std::uint32_t, 8> hints_{};  // orders that the next targets probably stand for
  std::vector<std::uint32_t> triggered_;
};

}  // namespace ordergate::core
