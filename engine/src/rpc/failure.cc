#include "rpc/failure.h"

#include <cstring>
#include <string_view>

#include "rpc/wire.h"

namespace ordergate::rpc {
namespace {

using core::CommandKind;
using core::Reason;

constexpr std::uint64_t kNotApplied = 1;  // ordergate.v1.Disposition; every refusal of the engine is one

// `field` begins with a point if it is one of the command's own message; the point alone is the whole of that.
struct Explanation {
  std::string_view field;
  std::string_view text;
};

Explanation invalid(CommandKind command) {
  switch (command) {
    case CommandKind::kNewOrder:
      return {".", "The terms of the order contradict each other."};
    case CommandKind::kAmendOrder:
      return {".", "Nothing is changed, or a value does not fit the order."};
    default:
      return {"", "The trading state is none, or account and symbol are both given."};
  }
}

Explanation explain(const Refusal& refusal) {
  const bool amend = refusal.command == CommandKind::kAmendOrder;
  const std::string_view price = refusal.stop_price ? ".stop_price" : ".limit_price";
  switch (refusal.reason) {
    case Reason::kNone:
      return {};
    case Reason::kInvalidField:
      return invalid(refusal.command);
    case Reason::kUnknownSymbol:
      return {".symbol", amend ? "The order has another symbol." : "The engine has no such instrument."};
    case Reason::kPriceIncrement:
      return {price, "The price is not a multiple of the instrument's price increment."};
    case Reason::kLotSize:
      return {".quantity", "The quantity is not a multiple of the instrument's lot size."};
    case Reason::kPriceBand:
      return {price, "The price is outside of the allowed prices, or too far from the last trade."};
    case Reason::kMaxOrderQuantity:
      return {".quantity", "The quantity exceeds the instrument's or the account's maximum for one order."};
    case Reason::kMaxOrderNotional:
      return {".quantity", "Price times quantity exceeds the account's maximum for one order."};
    case Reason::kMaxOpenOrders:
      return {"", "The account has as many open orders as it may."};
    case Reason::kMaxOpenNotional:
      return {"", "The account's open orders would exceed its maximum notional."};
    case Reason::kMaxPosition:
      return {"", "The account's net position could exceed its maximum."};
    case Reason::kTradingState:
      return {"", "Trading is restricted for the symbol, the account, or all."};
    case Reason::kIdConflict:
      return {"command_id", "The command_id was used before with other content."};
    case Reason::kStale:
      if (refusal.deadline_passed) return {"valid_until", "The command reached the engine after its valid_until."};
      return {".expire_at", "The order would have expired before it reached the engine."};
    case Reason::kUnknownOrder:
      return {".order", "The account has no order with this id, or it ended long ago."};
    case Reason::kTooLate:
      return {"", "The order is already filled, canceled, expired or rejected."};
    case Reason::kVersionMismatch:
      return {".expected_version", "The order has another version."};
    case Reason::kWouldCross:
      return {"", "The post_only order would have traded at once."};
    case Reason::kFenced:
      return {"command_id", "The command_id was made unusable by Resolve with fence."};
    case Reason::kEngineCapacity:
      return {"", "The engine holds as many orders as it can."};
  }
  return {};
}

// The command's own message in ordergate.v1.Command; none for those of an admin.
std::string_view message_of(CommandKind command) {
  switch (command) {
    case CommandKind::kNewOrder:
      return "new_order";
    case CommandKind::kCancelOrder:
      return "cancel_order";
    case CommandKind::kAmendOrder:
      return "amend_order";
    case CommandKind::kMassCancel:
      return "mass_cancel";
    default:
      return "";
  }
}

char* copy(char* out, std::string_view text) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

// The path as clients know it; at most 64 characters.
char* write_path(char* out, CommandKind command, std::string_view field) {
  if (!field.starts_with('.')) return copy(out, field);
  const std::string_view message = message_of(command);
  out = copy(out, message);
  const bool whole = field.size() == 1;
  return copy(out, field.substr(whole || message.empty() ? 1 : 0));
}

}  // namespace

char* put_failure(char* out, unsigned field, const Refusal& refusal) {
  const Explanation why = explain(refusal);
  char path[64];
  const char* const path_end = write_path(path, refusal.command, why.field);
  const wire::Nested failure(out, field);
  char* end = wire::put_uint(failure.start(), 1, static_cast<std::uint64_t>(refusal.reason));
  end = wire::put_uint(end, 2, kNotApplied);
  end = wire::put_text(end, 3, {path, static_cast<std::size_t>(path_end - path)});
  return failure.close(wire::put_text(end, 4, why.text));
}

}  // namespace ordergate::rpc
