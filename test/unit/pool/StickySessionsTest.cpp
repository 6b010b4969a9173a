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
    CPPUNIT_TEST(testOtherRequestsOvertakeARequestThatWaitsForItsInstance);
    CPPUNIT_TEST(testLaterRequestsOvertakeARequestThatWaitsForItsInstance);
    CPPUNIT_TEST(testARequestWaitsForItsInstanceThoughAnotherIsStarted);
    CPPUNIT_TEST(testOfTwoRequestsForOneInstanceTheFirstGetsItFirst);
    CPPUNIT_TEST_SUITE_END();

    static Options app() {
        Options options = PoolContract::app();
        options.stickySessions = true;
        return options;
    }
    HeldPtr get(const Options &options = app()) { return PoolContract::get(options); }
    /** For the instance that works at this request. */
    static Options sticky(const HeldPtr &request) {
        Options options = app();
        options.request.queue = QueueChoice::ofInstance(request->instance().stickyId());
        CPPUNIT_ASSERT(!options.request.queue.isCommon());
        return options;
    }

public:
    void testARequestGoesToTheInstanceThatItNames() {
        HeldPtr one = get();
        HeldPtr other = get();
        const DummyInstance *wanted = instanceOf(one);
        const Options options = sticky(one);
        one.reset();
        clock_.advance(1s);
        // Without the sticky id, this instance would get the request.
        other.reset();
        CPPUNIT_ASSERT_EQUAL(wanted, instanceOf(get(options)));
    }

    void testARequestWaitsForItsInstance() {
        HeldPtr one = get();
        const DummyInstance *wanted = instanceOf(one);
        HeldPtr other = get();
        const AnswerPtr waiter = ask(sticky(one));
        other.reset();
        CPPUNIT_ASSERT(!waiter->here());
        one.reset();
        CPPUNIT_ASSERT_EQUAL(wanted, instanceOf(waiter->session()));
    }

    void testAnyInstanceGetsTheRequestIfTheNamedOneIsUnknown() {
        get().reset();
        Options options = app();
        options.request.queue = QueueChoice::ofInstance(factory_->instances().at(0).stickyId() + 1);
        CPPUNIT_ASSERT(ask(options)->here());
    }

    void testAnyInstanceGetsTheRequestIfTheNamedOneDies() {
        const HeldPtr one = get();
        get().reset();
        const AnswerPtr waiter = ask(sticky(one));
        CPPUNIT_ASSERT(!waiter->here());
        die(0);
        CPPUNIT_ASSERT(waiter->comes());
    }

    void testAnyInstanceGetsTheRequestIfTheNamedOneDrains() {
        setMax(2);
        const HeldPtr one = get();
        const DummyInstance *wanted = instanceOf(one);
        get().reset();
        const AnswerPtr waiter = ask(sticky(one));
        CPPUNIT_ASSERT(!waiter->here());
        pool_->detach(idOf(one));
        CPPUNIT_ASSERT(instanceOf(waiter->session()) != wanted);
    }

    void testOtherRequestsOvertakeARequestThatWaitsForItsInstance() {
        setMax(2);
        const HeldPtr one = get();
        HeldPtr other = get();
        const AnswerPtr waiter = ask(sticky(one));
        const AnswerPtr next = ask(app());
        other.reset();
        CPPUNIT_ASSERT(next->here());
        CPPUNIT_ASSERT(!waiter->here());
    }

    void testLaterRequestsOvertakeARequestThatWaitsForItsInstance() {
        setMax(2);
        const HeldPtr one = get();
        HeldPtr other = get();
        const AnswerPtr waiter = ask(sticky(one));
        other.reset();
        const AnswerPtr later = ask(app());
        CPPUNIT_ASSERT_MESSAGE("An instance is free", later->here());
        CPPUNIT_ASSERT(!waiter->here());
    }

    void testARequestWaitsForItsInstanceThoughAnotherIsStarted() {
        HeldPtr one = get();
        const DummyInstance *wanted = instanceOf(one);
        const AnswerPtr waiter = ask(sticky(one));
        // The pool cannot see for which instance a request waits.
        CPPUNIT_ASSERT(eventuallyServing(2));
        CPPUNIT_ASSERT(!waiter->here());
        CPPUNIT_ASSERT(ask(app())->here());
        one.reset();
        CPPUNIT_ASSERT_EQUAL(wanted, instanceOf(waiter->session()));
    }

    void testOfTwoRequestsForOneInstanceTheFirstGetsItFirst() {
        HeldPtr one = get();
        const AnswerPtr first = ask(sticky(one));
        const AnswerPtr second = ask(sticky(one));
        one.reset();
        CPPUNIT_ASSERT(first->here());
        CPPUNIT_ASSERT(!second->here());
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StickySessionsTest);

}  // namespace Passenger
