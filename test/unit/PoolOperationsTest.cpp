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
    CPPUNIT_TEST(testADisabledInstanceGetsNoRequestUntilItIsEnabled);
    CPPUNIT_TEST(testADisabledInstanceFinishesItsRequest);
    CPPUNIT_TEST(testAnotherInstanceStartsInPlaceOfADisabledInstance);
    CPPUNIT_TEST(testTheLastInstanceOfAFullPoolIsNotDisabled);
    CPPUNIT_TEST(testAnInstanceOfAFullPoolIsDisabledWhileOthersServe);
    CPPUNIT_TEST(testADisabledInstanceIsNeitherEndedAsIdleNorEvicted);
    CPPUNIT_TEST(testADisabledInstanceCanBeDetached);
    CPPUNIT_TEST(testARestartEndsADisabledInstance);
    CPPUNIT_TEST(testClearEndsADisabledInstance);
    CPPUNIT_TEST(testAnEnabledInstanceServesAWaitingRequest);
    CPPUNIT_TEST(testDisablingTwiceIsDisablingOnce);
    CPPUNIT_TEST(testUnknownInstancesAreNeitherDisabledNorEnabled);
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

    void testADisabledInstanceGetsNoRequestUntilItIsEnabled() {
        warmUp(1);
        const InstanceId disabled = instances()[0].id;
        CPPUNIT_ASSERT(pool_->disable(disabled) == Pool::Disabling::DONE);
        CPPUNIT_ASSERT(eventuallyServing(1));
        setMax(2);
        const HeldPtr session = get();
        CPPUNIT_ASSERT(idOf(session) != disabled);
        CPPUNIT_ASSERT(!ask(app())->here());
        CPPUNIT_ASSERT(pool_->enable(disabled));
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, instancesThat(Process::State::SERVING).size());
    }

    void testADisabledInstanceFinishesItsRequest() {
        HeldPtr session = get();
        const InstanceId disabled = idOf(session);
        CPPUNIT_ASSERT(pool_->disable(disabled) == Pool::Disabling::DONE);
        CPPUNIT_ASSERT_EQUAL(1U, pool_->getActive());
        session.reset();
        CPPUNIT_ASSERT((instancesThat(Process::State::DISABLED) == std::vector<InstanceId>{disabled}));
        CPPUNIT_ASSERT_EQUAL(0U, pool_->getActive());
    }

    void testAnotherInstanceStartsInPlaceOfADisabledInstance() {
        warmUp(2);
        CPPUNIT_ASSERT(pool_->disable(instances()[0].id) == Pool::Disabling::DONE);
        CPPUNIT_ASSERT(eventuallyServing(2));
        CPPUNIT_ASSERT_EQUAL(3U, count());
    }

    void testTheLastInstanceOfAFullPoolIsNotDisabled() {
        setMax(1);
        get().reset();
        CPPUNIT_ASSERT(pool_->disable(instances()[0].id) == Pool::Disabling::LAST_ONE);
        CPPUNIT_ASSERT_EQUAL(std::size_t{1}, instancesThat(Process::State::SERVING).size());
        CPPUNIT_ASSERT(ask(app())->here());
    }

    void testAnInstanceOfAFullPoolIsDisabledWhileOthersServe() {
        warmUp(3);
        CPPUNIT_ASSERT(pool_->disable(instances()[0].id) == Pool::Disabling::DONE);
        advance(5s, 1s);
        CPPUNIT_ASSERT_EQUAL(std::size_t{2}, instancesThat(Process::State::SERVING).size());
        CPPUNIT_ASSERT_EQUAL(3U, factory_->attempts());
    }

    void testADisabledInstanceIsNeitherEndedAsIdleNorEvicted() {
        setMax(2);
        warmUp(1);
        const InstanceId disabled = instances()[0].id;
        pool_->disable(disabled);
        CPPUNIT_ASSERT(eventuallyServing(1));
        const HeldPtr session = get(app("/srv/shop"));
        const AnswerPtr another = ask(app("/srv/shop"));
        CPPUNIT_ASSERT(!another->here());
        advance(600s, 10s);
        CPPUNIT_ASSERT((instancesThat(Process::State::DISABLED) == std::vector<InstanceId>{disabled}));
    }

    void testADisabledInstanceCanBeDetached() {
        warmUp(2);
        const InstanceId disabled = instances()[0].id;
        pool_->disable(disabled);
        CPPUNIT_ASSERT(eventuallyServing(2));
        CPPUNIT_ASSERT(pool_->detach(disabled));
        CPPUNIT_ASSERT_EQUAL(2U, size());
        CPPUNIT_ASSERT(!pool_->enable(disabled));
    }

    void testARestartEndsADisabledInstance() {
        warmUp(1, inFolder());
        pool_->disable(instances(inFolder())[0].id);
        CPPUNIT_ASSERT(eventuallyServing(1, inFolder()));
        restart();
        CPPUNIT_ASSERT(eventually([this] { return group(inFolder()).version == 2; }));
        CPPUNIT_ASSERT(eventuallyServing(1, inFolder()));
        CPPUNIT_ASSERT_EQUAL(1U, size());
    }

    void testClearEndsADisabledInstance() {
        warmUp(1);
        pool_->disable(instances()[0].id);
        CPPUNIT_ASSERT(eventuallyServing(1));
        pool_->clear();
        CPPUNIT_ASSERT_EQUAL(0U, size());
    }

    void testAnEnabledInstanceServesAWaitingRequest() {
        setMax(2);
        warmUp(2);
        const InstanceId disabled = instances()[0].id;
        pool_->disable(disabled);
        const HeldPtr session = get();
        const AnswerPtr waiter = ask(app());
        CPPUNIT_ASSERT(!waiter->here());
        pool_->enable(disabled);
        CPPUNIT_ASSERT(idOf(waiter->session()) == disabled);
    }

    void testDisablingTwiceIsDisablingOnce() {
        warmUp(2);
        const InstanceId disabled = instances()[0].id;
        CPPUNIT_ASSERT(pool_->disable(disabled) == Pool::Disabling::DONE);
        CPPUNIT_ASSERT(pool_->disable(disabled) == Pool::Disabling::DONE);
        CPPUNIT_ASSERT(pool_->enable(disabled));
        CPPUNIT_ASSERT(pool_->enable(disabled));
        CPPUNIT_ASSERT(instancesThat(Process::State::DISABLED).empty());
    }

    void testUnknownInstancesAreNeitherDisabledNorEnabled() {
        get().reset();
        CPPUNIT_ASSERT(pool_->disable(InstanceId(4711)) == Pool::Disabling::UNKNOWN_INSTANCE);
        CPPUNIT_ASSERT(!pool_->enable(InstanceId(4711)));
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(PoolOperationsTest);

}  // namespace Passenger
