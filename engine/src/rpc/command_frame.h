// Decodes ordergate.log.v1.CommandFrame.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/frame.h"
#include "rpc/command_rows.h"
#include "rpc/wire.h"

namespace ordergate::rpc {

// Reuses its columns from frame to frame. Strict: whatever the core could misunderstand is refused before anything is
// applied, fields and values that this version does not know included.
class CommandFrameDecoder {
 public:
  // Why the frame is refused; nothing if it is good: then frame() is valid as long as `bytes` are and until the next
  // call.
  std::optional<std::string> decode(std::string_view bytes);

  const core::CommandFrame& frame() const { return frame_; }

 private:
  struct Deadline {
    std::uint64_t command = 0;
    std::uint64_t valid_until_ns = 0;
  };

  void clear();
  std::optional<std::string> read_fields(std::string_view bytes);
  std::optional<std::string> read_field(wire::Reader& reader, std::uint64_t field, wire::Type type);
  bool read_deadline(std::string_view bytes);
  // The column of a field, if it is of that kind.
  std::string_view* bytes_column(std::uint64_t field);
  std::vector<std::string_view>* texts_column(std::uint64_t field);
  std::vector<std::uint32_t>* numbers_column(std::uint64_t field);
  // Also turns amend_symbols_ into indices.
  std::optional<std::string> check();
  std::optional<std::string> check_lengths(const CommandCounts& counts) const;
  std::optional<std::string> check_texts() const;
  std::optional<std::string> check_values() const;
  std::optional<std::string> spread_deadlines();
  void view();

  std::uint64_t format_ = 0;
  std::uint64_t queued_at_ns_ = 0;
  std::vector<std::string_view> accounts_;
  std::vector<std::string_view> symbols_;
  std::vector<std::string_view> command_ids_;
  std::string_view kinds_;
  std::string_view keys_;
  std::vector<std::uint32_t> account_index_;
  std::vector<std::uint32_t> age_us_;
  std::vector<std::uint32_t> symbol_index_;
  std::string_view sides_;
  std::string_view order_types_;
  std::string_view times_in_force_;
  std::string_view flags_;
  std::vector<core::Price> prices_;
  std::vector<core::Quantity> quantities_;
  std::string_view targets_;
  std::vector<core::Price> amend_prices_;
  std::vector<core::Quantity> amend_quantities_;
  std::vector<std::uint32_t> amend_symbols_;  // 1 + index until check(), then as the core wants them
  CommandRows rows_;
  std::vector<Deadline> deadlines_;
  std::vector<core::Time> valid_until_;

  core::CommandFrame frame_{};
};

}  // namespace ordergate::rpc
