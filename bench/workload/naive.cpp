// The textbook engine alone; `make engine-bench` runs it beside ours.
#include "naive.hpp"

int main(int c, char** v) { return bench::main_for<Naive>(c, v); }
