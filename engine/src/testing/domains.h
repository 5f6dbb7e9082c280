// The domains that every random test walks through.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/domain.h"

namespace ordergate::testing {

inline std::vector<Domain> all_domains() {
  constexpr std::int64_t kMany = 1'000'000;
  return {
      {.label = "four ids", .ids = 4, .prices = 5, .accounts = 2, .length = 60},
      {.label = "few orders", .ids = 40, .prices = 5, .length = 300},
      {.label = "forgetful", .ids = 6, .prices = 5, .forgetful = true, .length = 200},
      {.label = "forgetful with many ids", .ids = 60, .prices = 5, .forgetful = true, .length = 600},
      {.label = "many orders", .ids = kMany, .prices = 5, .length = 2000},
      {.label = "no limits", .ids = kMany, .prices = 5, .band_ppm = 0, .limits = false, .length = 1000},
      {.label = "room for three", .ids = kMany, .prices = 5, .open_orders_max = 3, .length = 500},
      {.label = "deep book",
       .ids = kMany,
       .prices = 200,
       .quantity = 100,
       .accounts = 4,
       .band_ppm = 900,
       .open_orders_max = 100'000,
       .length = 5000},
      {.label = "prices beyond the ladder",
       .ids = kMany,
       .prices = 5,
       .step = 20'000,
       .band_ppm = 500'000,
       .length = 2000},
      {.label = "a middle that wanders",
       .ids = kMany,
       .prices = 300,
       .step = 7,
       .drift = 400,
       .quantity = 50,
       .band_ppm = 0,
       .open_orders_max = 100'000,
       .length = 40'000},
  };
}

// Name of a parametrized test.
inline std::string label_of(const ::testing::TestParamInfo<Domain>& domain) {
  std::string label = domain.param.label;
  for (char& c : label) c = c == ' ' ? '_' : c;
  return label;
}

}  // namespace ordergate::testing
