#pragma once

#include <utility>

#include "exchange/Options.h"
#include "exchange/QueueHost.h"

namespace Passenger {

/** The base that a session's options need, so that they outlive its exchange. */
struct OwnedOptions {
    const Options owned;
};

/** A session that owns the options which it refers to.
 *  @param Form MessageSession or StreamSession */
template <typename Form> class OwningSession final : private OwnedOptions, public Form {
public:
    OwningSession(QueueHostPtr host, const Options &options) : OwnedOptions{options}, Form(std::move(host), owned) {}
};

}  // namespace Passenger
