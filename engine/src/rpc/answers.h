// Answers to the unary calls about the shard's state.
#pragma once

#include <grpcpp/grpcpp.h>

#include "ordergate/engine/v1/engine_service.pb.h"
#include "rpc/shard.h"

namespace ordergate::rpc {

// Depth of one instrument as it is.
grpc::Status answer(const Shard& shard, const engine::v1::GetBookRequest& request,
                    engine::v1::GetBookResponse& response);

// Limits in force for an account, and what it uses of them. An account that was never seen has the default limits.
grpc::Status answer(const Shard& shard, const engine::v1::GetLimitsRequest& request,
                    engine::v1::GetLimitsResponse& response);

}  // namespace ordergate::rpc
