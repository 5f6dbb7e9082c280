// The state of an engine as bytes.
#pragma once

#include <span>
#include <string>

#include "core/engine.h"
#include "core/state_io.h"

namespace ordergate::testing {

class StringWriter final : public core::StateWriter {
 public:
  std::string text;

 private:
  void write(std::span<const char> bytes) override { text.append(bytes.data(), bytes.size()); }
};

inline std::string saved(const core::Engine& engine) {
  StringWriter writer;
  engine.save(writer);
  return std::move(writer.text);
}

}  // namespace ordergate::testing
