// std::map of levels, std::list queues, std::unordered_map index: the textbook engine.
#pragma once
#include <list>
#include <map>
#include <unordered_map>
#include "bench.hpp"
template <class Sink> struct Naive {
  static constexpr const char* kName = "naive-std";
  struct O { uint64_t id; int64_t px; uint32_t qty; uint8_t side; };
  using L = std::list<O>;
  struct B { std::map<int64_t, L, std::greater<>> bids; std::map<int64_t, L> asks; };
  std::vector<B> books; std::unordered_map<uint64_t, typename L::iterator> idx; Sink& sink;
  Naive(const workload::Header& h, Sink& s) : books(h.symbols), sink(s) { idx.reserve(h.max_live_orders); }
  template <class M, class X> void match(M& m, X crosses, uint32_t sym, uint64_t id, uint32_t& qty) {
    while (qty && !m.empty() && crosses(m.begin()->first)) {
      L& q = m.begin()->second;
      O& k = q.front(); uint32_t t = std::min(qty, k.qty);
      sink.trade(sym, id, k.id, k.px, t);
      qty -= t; k.qty -= t;
      if (!k.qty) { idx.erase(k.id); q.pop_front(); if (q.empty()) m.erase(m.begin()); }
    }
  }
  void submit(uint32_t sym, uint64_t id, uint8_t side, int64_t px, uint32_t qty, uint8_t tif) {
    B& b = books[sym];
    if (side == 0) match(b.asks, [px](int64_t p) { return p <= px; }, sym, id, qty);
    else match(b.bids, [px](int64_t p) { return p >= px; }, sym, id, qty);
    if (!qty || tif) return;
    L& q = side == 0 ? b.bids[px] : b.asks[px];
    q.push_back(O{id, px, qty, side}); idx[id] = std::prev(q.end());
  }
  uint8_t erase(uint32_t sym, uint64_t id) {
    auto it = idx.find(id); auto o = it->second; const uint8_t side = o->side; idx.erase(it); B& b = books[sym];
    if (side == 0) { auto l = b.bids.find(o->px); l->second.erase(o); if (l->second.empty()) b.bids.erase(l); }
    else { auto l = b.asks.find(o->px); l->second.erase(o); if (l->second.empty()) b.asks.erase(l); }
    return side;
  }
  void cancel(uint32_t sym, uint64_t id) { erase(sym, id); }
  void replace(uint32_t sym, uint64_t id, uint8_t side, int64_t px, uint32_t qty) { erase(sym, id); submit(sym, id, side, px, qty, 0); }
};
