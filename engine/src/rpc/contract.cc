// Proof that the core's enumerations are those of the contract. Nothing else is here.
#include "core/types.h"
#include "ordergate/log/v1/command_frame.pb.h"
#include "ordergate/v1/event.pb.h"
#include "ordergate/v1/failure.pb.h"
#include "ordergate/v1/order.pb.h"

namespace ordergate::core {
namespace {

template <class Core, class Proto>
constexpr bool same(Core core, Proto proto) {
  return static_cast<int>(core) == static_cast<int>(proto);
}

static_assert(same(CommandKind::kNewOrder, log::v1::COMMAND_KIND_NEW_ORDER));
static_assert(same(CommandKind::kCancelOrder, log::v1::COMMAND_KIND_CANCEL_ORDER));
static_assert(same(kPostOnly, log::v1::ORDER_FLAG_POST_ONLY));
static_assert(same(Side::kBuy, v1::SIDE_BUY));
static_assert(same(Side::kSell, v1::SIDE_SELL));
static_assert(same(OrderType::kLimit, v1::ORDER_TYPE_LIMIT));
static_assert(same(OrderType::kMarket, v1::ORDER_TYPE_MARKET));
static_assert(same(TimeInForce::kGtc, v1::TIME_IN_FORCE_GTC));
static_assert(same(TimeInForce::kIoc, v1::TIME_IN_FORCE_IOC));
static_assert(same(TimeInForce::kFok, v1::TIME_IN_FORCE_FOK));
static_assert(same(OrderStatus::kOpen, v1::ORDER_STATUS_OPEN));
static_assert(same(OrderStatus::kPartiallyFilled, v1::ORDER_STATUS_PARTIALLY_FILLED));
static_assert(same(OrderStatus::kFilled, v1::ORDER_STATUS_FILLED));
static_assert(same(OrderStatus::kCanceled, v1::ORDER_STATUS_CANCELED));
static_assert(same(OrderStatus::kRejected, v1::ORDER_STATUS_REJECTED));
static_assert(same(EventKind::kAccepted, v1::EVENT_KIND_ACCEPTED));
static_assert(same(EventKind::kRejected, v1::EVENT_KIND_REJECTED));
static_assert(same(EventKind::kFill, v1::EVENT_KIND_FILL));
static_assert(same(EventKind::kCanceled, v1::EVENT_KIND_CANCELED));
static_assert(same(EventKind::kCancelRejected, v1::EVENT_KIND_CANCEL_REJECTED));
static_assert(same(EventKind::kDuplicate, v1::EVENT_KIND_DUPLICATE));
static_assert(same(EventKind::kCommandRejected, v1::EVENT_KIND_COMMAND_REJECTED));
static_assert(same(Reason::kInvalidField, v1::REASON_INVALID_FIELD));
static_assert(same(Reason::kUnknownSymbol, v1::REASON_UNKNOWN_SYMBOL));
static_assert(same(Reason::kPriceBand, v1::REASON_PRICE_BAND));
static_assert(same(Reason::kMaxOrderQuantity, v1::REASON_MAX_ORDER_QUANTITY));
static_assert(same(Reason::kIdConflict, v1::REASON_ID_CONFLICT));
static_assert(same(Reason::kStale, v1::REASON_STALE));
static_assert(same(Reason::kUnknownOrder, v1::REASON_UNKNOWN_ORDER));
static_assert(same(Reason::kTooLate, v1::REASON_TOO_LATE));
static_assert(same(Reason::kWouldCross, v1::REASON_WOULD_CROSS));
static_assert(same(Reason::kEngineCapacity, v1::REASON_ENGINE_CAPACITY));
static_assert(same(Cause::kUser, v1::CAUSE_USER));
static_assert(same(Cause::kIocRemainder, v1::CAUSE_IOC_REMAINDER));
static_assert(same(Cause::kFokUnfilled, v1::CAUSE_FOK_UNFILLED));
static_assert(same(Liquidity::kMaker, v1::LIQUIDITY_MAKER));
static_assert(same(Liquidity::kTaker, v1::LIQUIDITY_TAKER));

}  // namespace
}  // namespace ordergate::core
