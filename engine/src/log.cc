#include "log.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace ordergate::log {
namespace {

constexpr std::array<std::string_view, 4> kNames{"debug", "info", "warning", "error"};
Level g_level = Level::kInfo;

std::string timestamp() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + length, sizeof text - length, ".%03dZ", static_cast<int>(ms % 1000));
  return text;
}

void append_value(std::string& line, std::string_view value) {
  if (!value.empty() && value.find_first_of(" \"=\n\r\t") == std::string_view::npos) {
    line += value;
    return;
  }
  line += '"';
  for (const char c : value) {
    if (c == '"' || c == '\\') line += '\\';
    line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  line += '"';
}

}  // namespace

void set_level(Level level) { g_level = level; }

void write(Level level, std::string_view event, std::initializer_list<Field> fields) {
  if (level < g_level) return;
  std::string line = timestamp();
  line += " level=";
  line += kNames[static_cast<std::size_t>(level)];
  line += " event=";
  append_value(line, event);
  for (const auto& [key, value] : fields) {
    line += ' ';
    line += key;
    line += '=';
    append_value(line, value);
  }
  line += '\n';
  // A lost log line is no reason to stop.
  if (::write(STDERR_FILENO, line.data(), line.size()) < 0) return;
}

}  // namespace ordergate::log
