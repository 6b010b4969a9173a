// Pool: requests for a certain instance.

#include <cppunit/extensions/HelperMacros.h>

#include "support/Eventually.h"
#include "support/PoolContract.h"

namespace Passenger {

using namespace std::chrono_literals;

class StickySessionsTest : public PoolContract {
    CPPUNIT_TEST_SUITE(StickySessionsTest);
    CPPUNIT_TEST(testARequestGoesToTheInstanceThatItNames);
    CPPUNIT_TEST(testARequestWaitsForItsInstance);
    CPPUNIT_TEST(testAnyInstanceGetsTheRequestIfTheNamedOneIsUnknown);
    CPPUNIT_TEST(testAnyInstanceGetsTheRequestIfTheNamedOneDies);
    CPPUNIT_TEST(testAnyInstanceGetsTheRequestIfTheNamedOneDrains);
    CPPUNIT_TEST(testAnyInstanceGetsTheRequestIfTheNamedOneIsDisabled);
    CPPUNIT_TEST(testOtherRequestsOvertakeOneThatWaitsForItsInstance);
    CPPUNIT_TEST(testLaterRequestsOvertakeOneThatWaitsForItsInstance);
    CPPUNIT_TEST(testNoInstanceIsStartedForARequestThatWaitsForItsInstance);
    CPPUNIT_TEST(testOfTwoRequestsForOneInstanceTheFirstGetsItFirst);
    CPPUNIT_TEST_SUITE_END();

    static Options sticky(const SessionPtr &session) {
        Options options = app();
        options.stickyId = instanceOf(session)->stickyId();
        return options;
    }

public:
    void testARequestGoesToTheInstanceThatItNames() {
        SessionPtr one = get();
        SessionPtr other = get();
        const Process *wanted = instanceOf(one);
        const Options options = sticky(one);
        one.reset();
        clock_.advance(1s);
        // Without the sticky id, this instance would get the request.
        other.reset();
        CPPUNIT_ASSERT_EQUAL(wanted, instanceOf(get(options)));
    }

    void testARequestWaitsForItsInstance() {
        SessionPtr one = get();
        const Process *wanted = instanceOf(one);
        SessionPtr other = get();
        const AnswerPtr waiter = ask(sticky(one));
        other.reset();
        CPPUNIT_ASSERT(!waiter->here());
        one.reset();
        CPPUNIT_ASSERT_EQUAL(wanted, instanceOf(waiter->session()));
    }

    void testAnyInstanceGetsTheRequestIfTheNamedOneIsUnknown() {
        get().reset();
        Options options = app();
        options.stickyId = instances()[0].stickyId + 1;
        CPPUNIT_ASSERT(ask(options)->here());
    }

    void testAnyInstanceGetsTheRequestIfTheNamedOneDies() {
        MortalInstances &mortals = makeMortal();
        const SessionPtr one = get();
        get().reset();
        const AnswerPtr waiter = ask(sticky(one));
        CPPUNIT_ASSERT(!waiter->here());
        mortals.die(0);
        CPPUNIT_ASSERT(waiter->comes());
    }

    void testAnyInstanceGetsTheRequestIfTheNamedOneDrains() {
        setMax(2);
        const SessionPtr one = get();
        const Process *wanted = instanceOf(one);
        get().reset();
        const AnswerPtr waiter = ask(sticky(one));
        CPPUNIT_ASSERT(!waiter->here());
        pool_->detach(wanted->id());
        CPPUNIT_ASSERT(instanceOf(waiter->session()) != wanted);
    }

    void testAnyInstanceGetsTheRequestIfTheNamedOneIsDisabled() {
        setMax(2);
        const SessionPtr one = get();
        const Process *wanted = instanceOf(one);
        get().reset();
        const AnswerPtr waiter = ask(sticky(one));
        CPPUNIT_ASSERT(pool_->disable(wanted->id()) == Pool::Disabling::DONE);
        CPPUNIT_ASSERT(instanceOf(waiter->session()) != wanted);
    }

    void testOtherRequestsOvertakeOneThatWaitsForItsInstance() {
        setMax(2);
        const SessionPtr one = get();
        SessionPtr other = get();
        const AnswerPtr waiter = ask(sticky(one));
        const AnswerPtr next = ask(app());
        other.reset();
        CPPUNIT_ASSERT(next->here());
        CPPUNIT_ASSERT(!waiter->here());
    }

    void testLaterRequestsOvertakeOneThatWaitsForItsInstance() {
        setMax(2);
        const SessionPtr one = get();
        SessionPtr other = get();
        const AnswerPtr waiter = ask(sticky(one));
        other.reset();
        const AnswerPtr later = ask(app());
        CPPUNIT_ASSERT_MESSAGE("An instance is free", later->here());
        CPPUNIT_ASSERT(!waiter->here());
    }

    void testNoInstanceIsStartedForARequestThatWaitsForItsInstance() {
        const SessionPtr one = get();
        const AnswerPtr waiter = ask(sticky(one));
        advance(5s, 1s);
        CPPUNIT_ASSERT_EQUAL(1U, factory_->attempts());
        const AnswerPtr other = ask(app());
        CPPUNIT_ASSERT(other->comes());
        CPPUNIT_ASSERT_EQUAL(2U, factory_->attempts());
        CPPUNIT_ASSERT(!waiter->here());
    }

    void testOfTwoRequestsForOneInstanceTheFirstGetsItFirst() {
        SessionPtr one = get();
        const AnswerPtr first = ask(sticky(one));
        const AnswerPtr second = ask(sticky(one));
        one.reset();
        CPPUNIT_ASSERT(first->here());
        CPPUNIT_ASSERT(!second->here());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StickySessionsTest);

}  // namespace Passenger
