#include "watchdog/DescriptorStore.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>

#include "support/LeakCheck.h"

namespace Passenger {

class DescriptorStoreTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(DescriptorStoreTest);
    CPPUNIT_TEST(testDepositsComeBackInTheOrderOfTheirFirstCall);
    CPPUNIT_TEST(testTheSameKeyReplacesAndClosesWhatWasThere);
    CPPUNIT_TEST(testAWithdrawnDepositIsClosed);
    CPPUNIT_TEST(testAFullStoreTakesNoNewKeyButReplaces);
    CPPUNIT_TEST(testClearingClosesAll);
    CPPUNIT_TEST_SUITE_END();

public:
    void testDepositsComeBackInTheOrderOfTheirFirstCall() {
        DescriptorStore store;
        store.put({"b", "1", {}});
        store.put({"a", "2", {}});
        store.put({"c", "3", {}});
        store.put({"b", "4", {}});
        store.withdraw("a");
        store.put({"a", "5", {}});
        CPPUNIT_ASSERT_EQUAL(std::string("b4 c3 a5 "), contents(store));
    }

    void testTheSameKeyReplacesAndClosesWhatWasThere() {
        DescriptorStore store;
        DescriptorPair pipe = makePipe();
        const int first = pipe.first.get();
        put(store, "a", std::move(pipe.first));
        put(store, "a", std::move(pipe.second));
        CPPUNIT_ASSERT(!isOpen(first));
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), store.size());
    }

    void testAWithdrawnDepositIsClosed() {
        DescriptorStore store;
        DescriptorPair pipe = makePipe();
        const int fd = pipe.first.get();
        put(store, "a", std::move(pipe.first));
        CPPUNIT_ASSERT(store.withdraw("a"));
        CPPUNIT_ASSERT(!isOpen(fd));
        CPPUNIT_ASSERT(!store.withdraw("a"));
    }

    void testAFullStoreTakesNoNewKeyButReplaces() {
        DescriptorStore store(2);
        DescriptorPair pipe = makePipe();
        const int fd = pipe.first.get();
        CPPUNIT_ASSERT(store.put({"a", "1", {}}));
        CPPUNIT_ASSERT(store.put({"b", "1", {}}));
        CPPUNIT_ASSERT(!put(store, "c", std::move(pipe.first)));
        CPPUNIT_ASSERT(!isOpen(fd));
        CPPUNIT_ASSERT(store.put({"a", "2", {}}));
        CPPUNIT_ASSERT_EQUAL(std::string("a2 b1 "), contents(store));
    }

    void testClearingClosesAll() {
        DescriptorStore store;
        DescriptorPair pipe = makePipe();
        const int fd = pipe.first.get();
        put(store, "a", std::move(pipe.first));
        store.clear();
        CPPUNIT_ASSERT(!isOpen(fd));
        CPPUNIT_ASSERT(!store.withdraw("a"));
        CPPUNIT_ASSERT(store.put({"a", "", {}}));
    }

private:
    static bool isOpen(int fd) {
        return ::fcntl(fd, F_GETFD) >= 0;
    }

    static bool put(DescriptorStore &store, const std::string &key, FileDescriptor descriptor) {
        Deposit deposit{key, "", {}};
        deposit.descriptors.push_back(std::move(descriptor));
        return store.put(std::move(deposit));
    }

    static std::string contents(const DescriptorStore &store) {
        std::string text;
        for (const auto &deposit : store.deposits()) {
            text += deposit.key + deposit.note + " ";
        }
        return text;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(DescriptorStoreTest);

}  // namespace Passenger
