// Log lines: one per event of note, key=value, on stderr.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace ordergate::log {

enum class Level { kDebug, kInfo, kWarning, kError };

// Lines below this level are left out. Default: kInfo. Set once, before threads start.
void set_level(Level level);

struct Field {
  std::string_view key;
  std::string value;
};

// Writes `time level=… event=… key=value …` as one write; safe from any thread. Values with spaces are quoted.
void write(Level level, std::string_view event, std::initializer_list<Field> fields = {});

inline void info(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::kInfo, event, fields);
}
inline void warning(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::kWarning, event, fields);
}
inline void error(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::kError, event, fields);
}

}  // namespace ordergate::log
