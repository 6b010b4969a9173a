#include "pool/PoolContext.h"

#include <cppunit/extensions/HelperMacros.h>

#include <memory>
#include <utility>

#include "io/SocketPair.h"
#include "support/Eventually.h"
#include "support/GroupParts.h"

namespace Passenger {

class PoolContextTest : public GroupParts {
    CPPUNIT_TEST_SUITE(PoolContextTest);
    CPPUNIT_TEST(testWhoGivesWayLetsTheLoopBuryAnInstance);
    CPPUNIT_TEST_SUITE_END();

public:
    void testWhoGivesWayLetsTheLoopBuryAnInstance() {
        SpawnResult result;
        result.control = FrameSocket(makeStreamPair().first);
        const PoolGuard guard(*context_);
        context_->bury(std::make_shared<Process>(std::move(result), InstanceId(1), 1, now(), Process::Start()));
        CPPUNIT_ASSERT_MESSAGE("The loop wants the lock", eventually([this] { return context_->wanted > 0; }));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolContextTest);

}  // namespace Passenger
