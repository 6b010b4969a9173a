#include "agent/PoolEngine.h"

#include "base/Exceptions.h"

namespace Passenger {

std::unique_ptr<PoolEngine> makePoolEngine(Deposits &) {
    throw IOException("This agent was built without an engine");
}

}  // namespace Passenger
