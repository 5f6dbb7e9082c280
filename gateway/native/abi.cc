// What gateway/plain.py calls through ctypes, with Python's lock held: so one
// buffer serves all answers.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plain.h"

namespace {

using ordergate::native::Accounts;
using ordergate::native::Batch;
using ordergate::native::FrameWriter;
using ordergate::native::Instrument;
using ordergate::native::Instruments;

std::string& answer() {
  static std::string buffer;
  buffer.clear();
  return buffer;
}

// Bytes that are valid until the next call.
struct Span {
  const char* data;
  std::size_t size;
};

// As ctypes lays it out.
struct InstrumentRow {
  const char* symbol;
  std::uint64_t price_step;
  std::uint64_t quantity_step;
  std::uint32_t price_digits;
  std::uint32_t quantity_digits;
  std::int64_t min_price;
  std::int64_t max_price;
  std::int64_t max_quantity;
};

}  // namespace

extern "C" {

// Kept for the life of the process.
void* ordergate_instruments(const InstrumentRow* rows, std::size_t count) {
  std::vector<Instrument> instruments;
  for (const InstrumentRow* row = rows; row != rows + count; ++row) {
    instruments.push_back({row->symbol,
                           {row->price_step, row->price_digits},
                           {row->quantity_step, row->quantity_digits},
                           row->min_price,
                           row->max_price,
                           row->max_quantity});
  }
  return new Instruments(std::move(instruments));
}

void* ordergate_accounts(const char* const* names, std::size_t count) { return new Accounts(names, names + count); }
void ordergate_accounts_free(void* accounts) { delete static_cast<Accounts*>(accounts); }

// nullptr if not all of it is plain.
void* ordergate_read(const void* instruments, const void* accounts, const char* request, std::size_t size,
                     std::size_t most, std::size_t* count) {
  Batch* batch = Batch::read(*static_cast<const Instruments*>(instruments), *static_cast<const Accounts*>(accounts),
                             {request, size}, most);
  *count = batch != nullptr ? batch->size() : 0;
  return batch;
}
void ordergate_free(void* batch) { delete static_cast<Batch*>(batch); }

void ordergate_acks(const void* batch, const char* place, std::size_t size, std::uint64_t first,
                    std::uint64_t received_ns, std::uint64_t queued_ns, Span* acks) {
  std::string& out = answer();
  static_cast<const Batch*>(batch)->put_acks(out, {place, size}, first, received_ns, queued_ns);
  *acks = {out.data(), out.size()};
}

void ordergate_frame(const void* const* batches, const std::uint64_t* received_ns, std::size_t count,
                     std::uint64_t queued_ns, const char* origin, std::size_t size, Span* frame) {
  FrameWriter writer;
  for (std::size_t i = 0; i < count; ++i) {
    writer.add(*static_cast<const Batch*>(batches[i]), received_ns[i], queued_ns);
  }
  std::string& out = answer();
  writer.write(out, queued_ns, {origin, size});
  *frame = {out.data(), out.size()};
}

}  // extern "C"
