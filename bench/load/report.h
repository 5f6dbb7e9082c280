// The figures of a run, for people and for programs.
#pragma once

#include <string>

#include "load.h"

namespace ordergate::load {

void print_table(const Load& load);
std::string json_of(const Load& load);

}  // namespace ordergate::load
