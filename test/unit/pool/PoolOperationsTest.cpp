// Pool: what people order.

#include <cppunit/extensions/HelperMacros.h>

#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class PoolOperationsTest : public PoolContract {
    CPPUNIT_TEST_SUITE(PoolOperationsTest);
    CPPUNIT_TEST(testAnApplicationIsRestartedByItsName);
    CPPUNIT_TEST(testAnUnknownNameRestartsNoApplication);
    CPPUNIT_TEST(testNoApplicationIsRestartedAfterThePoolsEnd);
    CPPUNIT_TEST(testADetachedInstanceFinishesAndIsReplaced);
    CPPUNIT_TEST(testTheLastInstanceCanBeDetached);
    CPPUNIT_TEST(testAnUnknownIdDetachesNoInstance);
    CPPUNIT_TEST(testADetachedInstanceInAFullPoolIsReplacedWhenItHasEnded);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAnApplicationIsRestartedByItsName() {
        get().reset();
        CPPUNIT_ASSERT(pool_->restart("/srv/blog (production)"));
        CPPUNIT_ASSERT(eventually([this] { return group().version == 2; }));
    }

    void testAnUnknownNameRestartsNoApplication() {
        get().reset();
        CPPUNIT_ASSERT(!pool_->restart("/srv/blog"));
        CPPUNIT_ASSERT_EQUAL(1U, factory_->created());
    }

    void testNoApplicationIsRestartedAfterThePoolsEnd() {
        get().reset();
        pool_->shutDown();
        CPPUNIT_ASSERT(!pool_->restart("/srv/blog (production)"));
    }

    void testADetachedInstanceFinishesAndIsReplaced() {
        HeldPtr session = get();
        const InstanceId old = idOf(session);
        CPPUNIT_ASSERT(pool_->detach(old));
        CPPUNIT_ASSERT((instancesThat(Process::State::DRAINING) == std::vector<InstanceId>{old}));
        CPPUNIT_ASSERT(eventuallyServing(1));
        session.reset();
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instances().size());
        CPPUNIT_ASSERT(instances()[0].id != old);
    }

    void testTheLastInstanceCanBeDetached() {
        get().reset();
        const InstanceId old = instances()[0].id;
        CPPUNIT_ASSERT(pool_->detach(old));
        CPPUNIT_ASSERT(eventuallyServing(1));
        CPPUNIT_ASSERT(instances()[0].id != old);
        CPPUNIT_ASSERT(!pool_->detach(old));
    }

    void testAnUnknownIdDetachesNoInstance() {
        get().reset();
        CPPUNIT_ASSERT(!pool_->detach(InstanceId()));
        CPPUNIT_ASSERT(!pool_->detach(InstanceId(4711)));
        CPPUNIT_ASSERT_EQUAL(1U, count());
    }

    void testADetachedInstanceInAFullPoolIsReplacedWhenItHasEnded() {
        setMax(1);
        HeldPtr session = get();
        pool_->detach(idOf(session));
        advance(5s, 1s);
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
        session.reset();
        CPPUNIT_ASSERT(eventuallyServing(1));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolOperationsTest);

}  // namespace Passenger
