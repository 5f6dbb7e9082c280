// Tags of the completion queue.
#pragma once

namespace ordergate::rpc {

// What is to be done when an operation has ended; its address is the operation's tag. At most one operation may be
// under way for each.
class Completion {
 public:
  template <auto kMethod, class Owner>
  static Completion of(Owner* owner) {
    return Completion(owner, [](void* self, bool ok) { (static_cast<Owner*>(self)->*kMethod)(ok); });
  }

  // `ok` as the completion queue tells it.
  void run(bool ok) { call_(owner_, ok); }

 private:
  Completion(void* owner, void (*call)(void*, bool)) : owner_(owner), call_(call) {}

  void* owner_;
  void (*call_)(void*, bool);
};

}  // namespace ordergate::rpc
