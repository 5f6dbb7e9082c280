// A unary call of the engine's service.
#pragma once

#include <grpcpp/grpcpp.h>

#include "ordergate/engine/v1/engine_service.grpc.pb.h"
#include "rpc/completion.h"

namespace ordergate::rpc {

// Waits for one call, answers it and deletes itself. `Owner` has `await(wait)`, which waits for the next call like it,
// and `answer(request, response)`.
template <class Owner, class Request, class Response>
class UnaryCall {
 public:
  using Service = engine::v1::EngineService::AsyncService;
  // How the service is told to wait: its RequestMETHOD.
  using Wait = void (Service::*)(grpc::ServerContext*, Request*, grpc::ServerAsyncResponseWriter<Response>*,
                                 grpc::CompletionQueue*, grpc::ServerCompletionQueue*, void*);

  UnaryCall(Owner& owner, Wait wait) : owner_(owner), wait_(wait) {}

  void accept(Service& service, grpc::ServerCompletionQueue& queue) {
    (service.*wait_)(&context_, &request_, &writer_, &queue, &queue, &accept_done_);
  }

 private:
  void on_accept(bool ok) {
    if (!ok) {  // the server shuts down
      delete this;
      return;
    }
    owner_.await(wait_);
    Response response;
    const grpc::Status status = owner_.answer(request_, response);
    status.ok() ? writer_.Finish(response, status, &finish_done_) : writer_.FinishWithError(status, &finish_done_);
  }
  void on_finish(bool) { delete this; }

  Owner& owner_;
  const Wait wait_;
  grpc::ServerContext context_;
  Request request_;
  grpc::ServerAsyncResponseWriter<Response> writer_{&context_};
  Completion accept_done_ = Completion::of<&UnaryCall::on_accept>(this);
  Completion finish_done_ = Completion::of<&UnaryCall::on_finish>(this);
};

}  // namespace ordergate::rpc
