#include "snapshot/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace ordergate::snapshot {
namespace {

// RFC 3720, appendix B.4, and the value that catalogues of CRCs call "check".
TEST(Crc32c, IsThatOfTheStandard) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  EXPECT_EQ(crc32c(std::string("123456789")), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string()), 0u);
}

TEST(Crc32c, OfPartsIsThatOfTheWhole) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += static_cast<char>(i * 37);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const std::uint32_t before = crc32c(text.substr(0, cut));
    EXPECT_EQ(crc32c(text.substr(cut), before), crc32c(text)) << cut;
  }
}

}  // namespace
}  // namespace ordergate::snapshot
