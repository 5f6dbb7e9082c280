// Proof that the core's enumerations are those of the contract. Nothing else is here.
#include "core/types.h"
#include "ordergate/log/v1/command_frame.pb.h"
#include "ordergate/v1/event.pb.h"
#include "ordergate/v1/failure.pb.h"
#include "ordergate/v1/limits.pb.h"
#include "ordergate/v1/order.pb.h"

namespace ordergate::core {
namespace {

template <class Core, class Proto>
constexpr bool same(Core core, Proto proto) {
  return static_cast<int>(core) == static_cast<int>(proto);
}

static_assert(same(CommandKind::kNewOrder, log::v1::COMMAND_KIND_NEW_ORDER));
static_assert(same(CommandKind::kCancelOrder, log::v1::COMMAND_KIND_CANCEL_ORDER));
static_assert(same(CommandKind::kAmendOrder, log::v1::COMMAND_KIND_AMEND_ORDER));
static_assert(same(CommandKind::kMassCancel, log::v1::COMMAND_KIND_MASS_CANCEL));
static_assert(same(CommandKind::kSetTradingState, log::v1::COMMAND_KIND_SET_TRADING_STATE));
static_assert(same(CommandKind::kSetLimits, log::v1::COMMAND_KIND_SET_LIMITS));
static_assert(same(CommandKind::kTick, log::v1::COMMAND_KIND_TICK));
static_assert(same(CommandKind::kFence, log::v1::COMMAND_KIND_FENCE));
static_assert(same(kPostOnly, log::v1::ORDER_FLAG_POST_ONLY));
static_assert(same(Side::kBuy, v1::SIDE_BUY));
static_assert(same(Side::kSell, v1::SIDE_SELL));
static_assert(same(OrderType::kLimit, v1::ORDER_TYPE_LIMIT));
static_assert(same(OrderType::kMarket, v1::ORDER_TYPE_MARKET));
static_assert(same(OrderType::kStop, v1::ORDER_TYPE_STOP));
static_assert(same(OrderType::kStopLimit, v1::ORDER_TYPE_STOP_LIMIT));
static_assert(same(TimeInForce::kGtc, v1::TIME_IN_FORCE_GTC));
static_assert(same(TimeInForce::kDay, v1::TIME_IN_FORCE_DAY));
static_assert(same(TimeInForce::kGtd, v1::TIME_IN_FORCE_GTD));
static_assert(same(TimeInForce::kIoc, v1::TIME_IN_FORCE_IOC));
static_assert(same(TimeInForce::kFok, v1::TIME_IN_FORCE_FOK));
static_assert(same(SelfTradePrevention::kUnspecified, v1::SELF_TRADE_PREVENTION_UNSPECIFIED));
static_assert(same(SelfTradePrevention::kNone, v1::SELF_TRADE_PREVENTION_NONE));
static_assert(same(SelfTradePrevention::kCancelTaker, v1::SELF_TRADE_PREVENTION_CANCEL_TAKER));
static_assert(same(SelfTradePrevention::kCancelMaker, v1::SELF_TRADE_PREVENTION_CANCEL_MAKER));
static_assert(same(SelfTradePrevention::kCancelBoth, v1::SELF_TRADE_PREVENTION_CANCEL_BOTH));
static_assert(same(SelfTradePrevention::kDecrement, v1::SELF_TRADE_PREVENTION_DECREMENT));
static_assert(same(TradingState::kActive, v1::TRADING_STATE_ACTIVE));
static_assert(same(TradingState::kCancelOnly, v1::TRADING_STATE_CANCEL_ONLY));
static_assert(same(TradingState::kBlocked, v1::TRADING_STATE_BLOCKED));
static_assert(same(OrderStatus::kOpen, v1::ORDER_STATUS_OPEN));
static_assert(same(OrderStatus::kPartiallyFilled, v1::ORDER_STATUS_PARTIALLY_FILLED));
static_assert(same(OrderStatus::kFilled, v1::ORDER_STATUS_FILLED));
static_assert(same(OrderStatus::kCanceled, v1::ORDER_STATUS_CANCELED));
static_assert(same(OrderStatus::kExpired, v1::ORDER_STATUS_EXPIRED));
static_assert(same(OrderStatus::kRejected, v1::ORDER_STATUS_REJECTED));
static_assert(same(OrderStatus::kUntriggered, v1::ORDER_STATUS_UNTRIGGERED));
static_assert(same(EventKind::kAccepted, v1::EVENT_KIND_ACCEPTED));
static_assert(same(EventKind::kRejected, v1::EVENT_KIND_REJECTED));
static_assert(same(EventKind::kFill, v1::EVENT_KIND_FILL));
static_assert(same(EventKind::kCanceled, v1::EVENT_KIND_CANCELED));
static_assert(same(EventKind::kCancelRejected, v1::EVENT_KIND_CANCEL_REJECTED));
static_assert(same(EventKind::kExpired, v1::EVENT_KIND_EXPIRED));
static_assert(same(EventKind::kAmended, v1::EVENT_KIND_AMENDED));
static_assert(same(EventKind::kAmendRejected, v1::EVENT_KIND_AMEND_REJECTED));
static_assert(same(EventKind::kTriggered, v1::EVENT_KIND_TRIGGERED));
static_assert(same(EventKind::kRestated, v1::EVENT_KIND_RESTATED));
static_assert(same(EventKind::kMassCancelDone, v1::EVENT_KIND_MASS_CANCEL_DONE));
static_assert(same(EventKind::kTradingState, v1::EVENT_KIND_TRADING_STATE));
static_assert(same(EventKind::kDuplicate, v1::EVENT_KIND_DUPLICATE));
static_assert(same(EventKind::kCommandRejected, v1::EVENT_KIND_COMMAND_REJECTED));
static_assert(same(EventKind::kLimits, v1::EVENT_KIND_LIMITS));
static_assert(same(EventKind::kTick, v1::EVENT_KIND_TICK));
static_assert(same(EventKind::kFenced, v1::EVENT_KIND_FENCED));
static_assert(same(Reason::kInvalidField, v1::REASON_INVALID_FIELD));
static_assert(same(Reason::kUnknownSymbol, v1::REASON_UNKNOWN_SYMBOL));
static_assert(same(Reason::kPriceIncrement, v1::REASON_PRICE_INCREMENT));
static_assert(same(Reason::kLotSize, v1::REASON_LOT_SIZE));
static_assert(same(Reason::kPriceBand, v1::REASON_PRICE_BAND));
static_assert(same(Reason::kMaxOrderQuantity, v1::REASON_MAX_ORDER_QUANTITY));
static_assert(same(Reason::kMaxOrderNotional, v1::REASON_MAX_ORDER_NOTIONAL));
static_assert(same(Reason::kMaxOpenOrders, v1::REASON_MAX_OPEN_ORDERS));
static_assert(same(Reason::kMaxOpenNotional, v1::REASON_MAX_OPEN_NOTIONAL));
static_assert(same(Reason::kMaxPosition, v1::REASON_MAX_POSITION));
static_assert(same(Reason::kTradingState, v1::REASON_TRADING_STATE));
static_assert(same(Reason::kIdConflict, v1::REASON_ID_CONFLICT));
static_assert(same(Reason::kStale, v1::REASON_STALE));
static_assert(same(Reason::kUnknownOrder, v1::REASON_UNKNOWN_ORDER));
static_assert(same(Reason::kTooLate, v1::REASON_TOO_LATE));
static_assert(same(Reason::kVersionMismatch, v1::REASON_VERSION_MISMATCH));
static_assert(same(Reason::kWouldCross, v1::REASON_WOULD_CROSS));
static_assert(same(Reason::kFenced, v1::REASON_FENCED));
static_assert(same(Reason::kEngineCapacity, v1::REASON_ENGINE_CAPACITY));
static_assert(same(Cause::kUser, v1::CAUSE_USER));
static_assert(same(Cause::kMassCancel, v1::CAUSE_MASS_CANCEL));
static_assert(same(Cause::kDisconnect, v1::CAUSE_DISCONNECT));
static_assert(same(Cause::kKillSwitch, v1::CAUSE_KILL_SWITCH));
static_assert(same(Cause::kSelfTradePrevention, v1::CAUSE_SELF_TRADE_PREVENTION));
static_assert(same(Cause::kIocRemainder, v1::CAUSE_IOC_REMAINDER));
static_assert(same(Cause::kFokUnfilled, v1::CAUSE_FOK_UNFILLED));
static_assert(same(Liquidity::kMaker, v1::LIQUIDITY_MAKER));
static_assert(same(Liquidity::kTaker, v1::LIQUIDITY_TAKER));

}  // namespace
}  // namespace ordergate::core
