#include "rpc/answers.h"

#include <string>

#include "rpc/book_feed.h"
#include "rpc/names.h"
#include "rpc/proto_id.h"

namespace ordergate::rpc {
namespace {

using core::Price;
using core::Side;
using grpc::Status;
using grpc::StatusCode;

template <class Levels>
void add_side(const core::Book& book, Side side, std::uint32_t depth, Levels& out) {
  Price price = book.best(side);
  for (std::uint32_t levels = 0; price != core::Book::none(side) && (depth == 0 || levels < depth); ++levels) {
    add_level(out, price, book.quantity_at(side, price));
    price = book.worse(side, price);
  }
}

std::string text(const core::Decimal& number) {
  char out[instruments::kDecimalMax];
  return {out, instruments::format(number, out)};
}

// Empty: no limit.
std::string limit(const core::Decimal& number) { return number.mantissa == 0 ? std::string() : text(number); }

std::string position(const instruments::Grid& lots, std::int64_t count) {
  char out[instruments::kDecimalMax];
  return (count < 0 ? "-" : "") + std::string(out, lots.format(count < 0 ? -count : count, out));
}

void to_proto(const core::Limits& limits, engine::v1::GetLimitsResponse& out) {
  out.set_max_order_quantity(limit(limits.max_order_quantity));
  out.set_max_order_notional(limit(limits.max_order_notional));
  out.set_max_open_orders(limits.max_open_orders);
  out.set_max_open_notional(limit(limits.max_open_notional));
  out.set_max_position(limit(limits.max_position));
  out.set_price_band(limit(instruments::band(limits.band_ppm)));
}

}  // namespace

Status answer(const Shard& shard, const engine::v1::GetBookRequest& request, engine::v1::GetBookResponse& response) {
  const auto instrument = shard.instruments().find(request.symbol());
  if (!instrument) return Status(StatusCode::NOT_FOUND, "the engine has no instrument " + request.symbol());
  const core::Book& book = shard.engine().book(*instrument);
  to_proto(shard.last_applied(), response.mutable_applied());
  add_side(book, Side::kBuy, request.depth(), *response.mutable_bids());
  add_side(book, Side::kSell, request.depth(), *response.mutable_asks());
  return Status::OK;
}

Status answer(const Shard& shard, const engine::v1::GetLimitsRequest& request,
              engine::v1::GetLimitsResponse& response) {
  if (!is_name(request.account())) return Status(StatusCode::INVALID_ARGUMENT, "account is not a name");
  const instruments::Instruments& instruments = shard.instruments();
  const auto view = shard.engine().account_view(request.account());
  to_proto(view ? view->limits : instruments.default_limits, response);
  response.set_open_orders(view ? view->open_orders : 0);
  response.set_open_notional(text(view ? view->open_notional : core::Decimal{}));
  if (!view) return Status::OK;
  for (const auto& [instrument, lots] : view->positions) {
    engine::v1::Position& out = *response.add_positions();
    out.set_symbol(instruments.rows[instrument].limits.symbol);
    out.set_quantity(position(instruments.rows[instrument].quantity, lots));
  }
  return Status::OK;
}

}  // namespace ordergate::rpc
