#include "watchdog/StoredDescriptors.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>

#include "support/LeakCheck.h"

namespace Passenger {

class StoredDescriptorsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(StoredDescriptorsTest);
    CPPUNIT_TEST(testEntriesAreReturnedInTheOrderOfTheirFirstCall);
    CPPUNIT_TEST(testTheSameKeyReplacesAndClosesTheOldEntry);
    CPPUNIT_TEST(testARemovedEntryIsClosed);
    CPPUNIT_TEST(testAFullStoreTakesNoNewKeyButReplaces);
    CPPUNIT_TEST(testClearingClosesAll);
    CPPUNIT_TEST_SUITE_END();

public:
    void testEntriesAreReturnedInTheOrderOfTheirFirstCall() {
        StoredDescriptors store;
        store.put({"b", "1", {}});
        store.put({"a", "2", {}});
        store.put({"c", "3", {}});
        store.put({"b", "4", {}});
        store.remove("a");
        store.put({"a", "5", {}});
        CPPUNIT_ASSERT_EQUAL(std::string("b4 c3 a5 "), contents(store));
    }

    void testTheSameKeyReplacesAndClosesTheOldEntry() {
        StoredDescriptors store;
        DescriptorPair pipe = makePipe();
        const int first = pipe.first.get();
        put(store, "a", std::move(pipe.first));
        put(store, "a", std::move(pipe.second));
        CPPUNIT_ASSERT(!isOpen(first));
        CPPUNIT_ASSERT_EQUAL(std::size_t(1), store.size());
    }

    void testARemovedEntryIsClosed() {
        StoredDescriptors store;
        DescriptorPair pipe = makePipe();
        const int fd = pipe.first.get();
        put(store, "a", std::move(pipe.first));
        CPPUNIT_ASSERT(store.remove("a"));
        CPPUNIT_ASSERT(!isOpen(fd));
        CPPUNIT_ASSERT(!store.remove("a"));
    }

    void testAFullStoreTakesNoNewKeyButReplaces() {
        StoredDescriptors store(2);
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
        StoredDescriptors store;
        DescriptorPair pipe = makePipe();
        const int fd = pipe.first.get();
        put(store, "a", std::move(pipe.first));
        store.clear();
        CPPUNIT_ASSERT(!isOpen(fd));
        CPPUNIT_ASSERT(!store.remove("a"));
        CPPUNIT_ASSERT(store.put({"a", "", {}}));
    }

private:
    static bool isOpen(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

    static bool put(StoredDescriptors &store, const std::string &key, FileDescriptor descriptor) {
        StoreEntry entry{key, "", {}};
        entry.descriptors.push_back(std::move(descriptor));
        return store.put(std::move(entry));
    }

    static std::string contents(const StoredDescriptors &store) {
        std::string text;
        for (const auto &entry : store.entries()) {
            text += entry.key + entry.note + " ";
        }
        return text;
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StoredDescriptorsTest);

}  // namespace Passenger
