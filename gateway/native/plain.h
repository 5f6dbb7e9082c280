// Plain commands: new LIMIT and MARKET orders with the usual terms, and
// cancels, all of them faultless. They are most of what comes. Whatever else is
// in a message, the whole of it is left to gateway/validation.py, which says
// what is wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "blake2b.h"

namespace ordergate::native {

// gateway.instruments.Grid: texts are whole steps.
struct Grid {
  std::uint64_t step;
  unsigned digits;

  // Steps in `text`; nothing if it is no plain decimal, no multiple of the
  // step, or longer than we count.
  std::optional<std::int64_t> parse(std::string_view text) const;
};

struct Instrument {
  std::string symbol;
  Grid price;
  Grid quantity;
  std::int64_t min_price;
  std::int64_t max_price;
  std::int64_t max_quantity;
};

// What an installation trades.
class Instruments {
 public:
  explicit Instruments(std::vector<Instrument> rows) : rows_(std::move(rows)) {
    for (std::uint32_t i = 0; i < rows_.size(); ++i) by_symbol_.emplace(rows_[i].symbol, i);
  }
  const Instrument& operator[](std::uint32_t index) const { return rows_[index]; }
  // Its index, if there is one.
  std::optional<std::uint32_t> find(std::string_view symbol) const {
    const auto found = by_symbol_.find(symbol);
    return found == by_symbol_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::vector<Instrument> rows_;
  std::unordered_map<std::string_view, std::uint32_t> by_symbol_;
};

// The accounts that a principal may act for: few enough to be searched.
using Accounts = std::vector<std::string>;

// One command.
struct Command {
  Key key;
  Key order;  // that it is about
  std::string_view id;
  std::uint32_t account;  // index into Accounts
  bool cancels;
  // Of a new order:
  std::uint32_t symbol;  // index into Instruments
  unsigned char side;
  unsigned char type;
  unsigned char time_in_force;
  unsigned char flags;
  std::int64_t price;
  std::int64_t quantity;
};

// The commands of one message.
class Batch {
 public:
  // Nothing, unless all commands of the SessionRequest are plain, and nothing
  // but at most `most` commands is in it. REQUIRES: `instruments` and
  // `accounts` outlive it.
  static Batch* read(const Instruments& instruments, const Accounts& accounts, std::string_view request,
                     std::size_t most);

  std::size_t size() const { return commands_.size(); }

  // Appends the field `acks` of a SessionResponse for each command, all of
  // level QUEUED. See gateway.wire.queued_acks.
  void put_acks(std::string& out, std::string_view place, std::uint64_t first, std::uint64_t received_ns,
                std::uint64_t queued_ns) const;

 private:
  friend class FrameWriter;

  Batch(const Instruments& instruments, const Accounts& accounts, std::string_view request)
      : instruments_(instruments), accounts_(accounts), request_(request) {}
  bool read_all(std::size_t most);
  bool read_command(std::string_view message);
  bool read_new_order(std::string_view message, Command& command) const;
  bool read_cancel(std::string_view message, Command& command) const;
  bool find_account(std::string_view name, Command& command) const;

  const Instruments& instruments_;
  const Accounts& accounts_;
  std::string request_;
  std::vector<Command> commands_;
};

// The payload of one entry of the stream `commands`. See
// gateway.wire.command_frame.
class FrameWriter {
 public:
  void add(const Batch& batch, std::uint64_t received_ns, std::uint64_t queued_ns);
  void write(std::string& out, std::uint64_t queued_ns, std::string_view origin);

 private:
  std::vector<std::string_view> accounts_;
  std::vector<std::string_view> symbols_;
  std::string kinds_, keys_, sides_, types_, times_in_force_, flags_, targets_;
  std::vector<std::string_view> ids_;
  std::vector<std::uint32_t> account_index_, ages_, symbol_index_;
  std::vector<std::int64_t> prices_, quantities_;
};

}  // namespace ordergate::native
