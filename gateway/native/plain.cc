#include "plain.h"

#include <algorithm>
#include <memory>
#include <tuple>

#include "wire.h"

namespace ordergate::native {
namespace {

// ordergate.v1, and the kinds of ordergate.log.v1.
constexpr std::uint64_t kQueued = 1;
constexpr unsigned char kLimit = 1, kMarket = 2;
constexpr unsigned char kGtc = 1, kDay = 2, kIoc = 4, kFok = 5;
constexpr char kNewOrder = 1, kCancelOrder = 2;
constexpr unsigned char kPostOnly = 1;
constexpr std::size_t kIdMax = 64;

bool is_client_id(std::string_view text) {
  return !text.empty() && text.size() <= kIdMax &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; });
}

// gateway.ids.order_key.
Key order_key(std::string_view account, std::string_view id) {
  std::string text;
  text.reserve(account.size() + 1 + id.size());
  text.append(account).push_back('\0');
  text.append(id);
  Key key = Blake2b::digest(text);
  key[6] = static_cast<unsigned char>(0x80 | (key[6] & 0x0F));
  key[8] = static_cast<unsigned char>(0x80 | (key[8] & 0x3F));
  return key;
}

// gateway.ids.text_key.
bool read_uuid(std::string_view text, Key& key) {
  if (text.size() != 36) return false;
  std::size_t digits = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return false;
      continue;
    }
    const int lower = c | 0x20;
    int digit = 0;
    if (c >= '0' && c <= '9') {
      digit = c - '0';
    } else if (lower >= 'a' && lower <= 'f') {
      digit = lower - 'a' + 10;
    } else {
      return false;
    }
    unsigned char& byte = key[digits / 2];
    byte = static_cast<unsigned char>(digits % 2 == 0 ? digit << 4 : byte | digit);
    ++digits;
  }
  return true;
}

void put_uuid(std::string& out, const Key& key) {
  constexpr char kDigits[] = "0123456789abcdef";
  char text[36];
  std::size_t at = 0;
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
    text[at++] = kDigits[key[i] >> 4];
    text[at++] = kDigits[key[i] & 15];
  }
  out.append(text, sizeof text);
}

void put_timestamp(std::string& out, std::uint32_t field, std::uint64_t ns) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  std::string body;
  put_tag(body, 1, 0);
  put_varint(body, ns / kSecond);
  if (ns % kSecond != 0) {
    put_tag(body, 2, 0);
    put_varint(body, ns % kSecond);
  }
  put_text(out, field, body);
}

// Index of `text` in `table`, where it is put if it is new.
std::uint32_t intern(std::vector<std::string_view>& table, std::string_view text) {
  const auto index = static_cast<std::uint32_t>(std::ranges::find(table, text) - table.begin());
  if (index == table.size()) table.push_back(text);
  return index;
}

// Notes a field; false if it was there before: what comes twice is for protobuf
// to join.
bool once(unsigned& seen, std::uint32_t field) {
  const bool first = (seen >> field & 1) == 0;
  seen |= 1u << field;
  return first;
}

void append(std::string& out, const Key& key) { out.append(reinterpret_cast<const char*>(key.data()), key.size()); }

}  // namespace

std::optional<std::int64_t> Grid::parse(std::string_view text) const {
  constexpr std::size_t kDigitsMax = 18;  // of a number that fits 63 bits
  const std::size_t point = std::min(text.find('.'), text.size());
  const std::size_t places = text.size() - std::min(point + 1, text.size());
  const bool pointless = point == text.size();
  if (point == 0 || (!pointless && places == 0) || places > digits || point + digits > kDigitsMax) return std::nullopt;
  std::uint64_t units = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i == point) continue;
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    units = 10 * units + static_cast<std::uint64_t>(text[i] - '0');
  }
  for (std::size_t i = places; i < digits; ++i) units *= 10;
  if (units % step != 0) return std::nullopt;
  return static_cast<std::int64_t>(units / step);
}

Batch* Batch::read(const Instruments& instruments, const Accounts& accounts, std::string_view request,
                   std::size_t most) {
  std::unique_ptr<Batch> batch(new Batch(instruments, accounts, request));
  return batch->read_all(most) ? batch.release() : nullptr;
}

bool Batch::read_all(std::size_t most) {
  Reader fields(request_);
  while (fields.next()) {
    if (fields.field() != 2 || commands_.size() == most || !read_command(fields.text())) return false;
  }
  return !fields.failed() && !commands_.empty();
}

bool Batch::read_command(std::string_view message) {
  Command command{};
  std::string_view account, body;
  unsigned seen = 0;
  Reader fields(message);
  while (fields.next()) {
    const std::uint32_t field = fields.field();
    if (field > 11) return false;
    if (!once(seen, field == 11 ? 10 : field)) return false;  // one body
    switch (field) {
      case 1:
        command.id = fields.text();
        break;
      case 2:
        account = fields.text();
        break;
      case 3:
        if (fields.number() > kQueued) return false;
        break;
      case 10:
      case 11:
        command.cancels = field == 11;
        body = fields.text();
        break;
      default:
        return false;
    }
  }
  if (fields.failed() || (seen >> 10 & 1) == 0 || !is_client_id(command.id)) return false;
  if (!find_account(account, command)) return false;
  command.key = order_key(accounts_[command.account], command.id);
  command.order = command.key;
  if (!(command.cancels ? read_cancel(body, command) : read_new_order(body, command))) return false;
  commands_.push_back(command);
  return true;
}

bool Batch::find_account(std::string_view name, Command& command) const {
  if (name.empty() && accounts_.size() == 1) return true;  // number 0
  for (std::size_t i = 0; i < accounts_.size(); ++i) {
    if (accounts_[i] == name) {
      command.account = static_cast<std::uint32_t>(i);
      return true;
    }
  }
  return false;
}

bool Batch::read_new_order(std::string_view message, Command& command) const {
  std::string_view symbol, quantity, price;
  std::uint64_t numbers[8] = {};
  unsigned seen = 0;
  Reader fields(message);
  while (fields.next()) {
    const std::uint32_t field = fields.field();
    if (field > 7) return false;
    if (!once(seen, field)) return false;
    switch (field) {
      case 1:
        symbol = fields.text();
        break;
      case 5:
        quantity = fields.text();
        break;
      case 6:
        price = fields.text();
        break;
      default:
        numbers[field] = fields.number();
    }
  }
  if (fields.failed()) return false;
  const auto found = instruments_.find(symbol);
  if (!found) return false;
  const Instrument& instrument = instruments_[*found];
  const auto [side, type, time_in_force] = std::tuple(numbers[2], numbers[3], numbers[4]);
  if (side < 1 || side > 2) return false;
  if (type != kLimit && type != kMarket) return false;
  const bool rests = time_in_force == kGtc || time_in_force == kDay;
  if (!rests && time_in_force != kIoc && time_in_force != kFok) return false;
  const auto lots = instrument.quantity.parse(quantity);
  if (!lots || *lots < 1 || *lots > instrument.max_quantity) return false;
  if (type == kLimit) {
    const auto ticks = instrument.price.parse(price);
    if (!ticks || *ticks < instrument.min_price || *ticks > instrument.max_price) return false;
    command.price = *ticks;
  } else if (!price.empty() || rests) {
    return false;
  }
  const bool post_only = numbers[7] != 0;
  if (post_only && (type != kLimit || !rests)) return false;
  command.symbol = *found;
  command.side = static_cast<unsigned char>(side);
  command.type = static_cast<unsigned char>(type);
  command.time_in_force = static_cast<unsigned char>(time_in_force);
  command.flags = post_only ? kPostOnly : 0;
  command.quantity = *lots;
  return true;
}

bool Batch::read_cancel(std::string_view message, Command& command) const {
  std::string_view order, symbol;
  unsigned seen = 0;
  Reader fields(message);
  while (fields.next()) {
    const std::uint32_t field = fields.field();
    if (field != 1 && field != 3) return false;
    if (!once(seen, field)) return false;
    (field == 1 ? order : symbol) = fields.text();
  }
  if (fields.failed()) return false;
  if (!symbol.empty() && !instruments_.find(symbol)) return false;
  Reader key(order);
  if (!key.next() || key.field() > 2) return false;
  const std::string_view id = key.text();
  const bool by_client_id = key.field() == 2;
  if (key.next() || key.failed()) return false;
  if (!by_client_id) return read_uuid(id, command.order);
  if (!is_client_id(id)) return false;
  command.order = order_key(accounts_[command.account], id);
  return true;
}

void Batch::put_acks(std::string& out, std::string_view place, std::uint64_t first, std::uint64_t received_ns,
                     std::uint64_t queued_ns) const {
  std::string tail;
  put_timestamp(tail, 6, received_ns);
  put_timestamp(tail, 7, queued_ns);
  for (const Command& command : commands_) {
    const std::string& account = accounts_[command.account];
    const std::string index = std::to_string(first++);
    // Tags and lengths of id, account, order_id, level and position: each below
    // 128 bytes.
    const std::size_t size = 2 + command.id.size() + 2 + account.size() + 2 + 36 + 2 + 2 + place.size() + index.size();
    put_tag(out, 1, 2);
    put_varint(out, size + tail.size());
    put_text(out, 1, command.id);
    put_text(out, 2, account);
    put_tag(out, 3, 2);
    put_varint(out, 36);
    put_uuid(out, command.order);
    put_tag(out, 4, 0);
    put_varint(out, kQueued);
    put_tag(out, 5, 2);
    put_varint(out, place.size() + index.size());
    out.append(place).append(index).append(tail);
  }
}

void FrameWriter::add(const Batch& batch, std::uint64_t received_ns, std::uint64_t queued_ns) {
  const std::uint64_t age_us = queued_ns > received_ns ? (queued_ns - received_ns) / 1000 : 0;
  const auto age = static_cast<std::uint32_t>(std::min<std::uint64_t>(age_us, 0xFFFF'FFFF));
  for (const Command& command : batch.commands_) {
    kinds_.push_back(command.cancels ? kCancelOrder : kNewOrder);
    append(keys_, command.key);
    ids_.push_back(command.id);
    account_index_.push_back(intern(accounts_, batch.accounts_[command.account]));
    ages_.push_back(age);
    if (command.cancels) {
      append(targets_, command.order);
      continue;
    }
    symbol_index_.push_back(intern(symbols_, batch.instruments_[command.symbol].symbol));
    sides_.push_back(static_cast<char>(command.side));
    types_.push_back(static_cast<char>(command.type));
    times_in_force_.push_back(static_cast<char>(command.time_in_force));
    flags_.push_back(static_cast<char>(command.flags));
    prices_.push_back(command.price);
    quantities_.push_back(command.quantity);
  }
}

void FrameWriter::write(std::string& out, std::uint64_t queued_ns, std::string_view origin) {
  put_tag(out, 1, 0);
  put_varint(out, 1);
  put_tag(out, 2, 1);
  out.append(reinterpret_cast<const char*>(&queued_ns), sizeof queued_ns);
  put_bytes(out, 3, origin);
  for (const std::string_view account : accounts_) put_text(out, 4, account);
  for (const std::string_view symbol : symbols_) put_text(out, 5, symbol);
  put_bytes(out, 6, kinds_);
  put_bytes(out, 7, keys_);
  for (const std::string_view id : ids_) put_text(out, 8, id);
  put_packed(out, 9, account_index_);
  put_packed(out, 10, ages_);
  put_packed(out, 11, symbol_index_);
  put_bytes(out, 12, sides_);
  put_bytes(out, 13, types_);
  put_bytes(out, 14, times_in_force_);
  put_bytes(out, 15, flags_);
  put_packed(out, 16, prices_);
  put_packed(out, 17, quantities_);
  put_bytes(out, 18, targets_);
}

}  // namespace ordergate::native
