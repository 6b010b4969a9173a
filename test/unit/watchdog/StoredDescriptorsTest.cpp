#include "watchdog/StoredDescriptors.h"

#include <cppunit/extensions/HelperMacros.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/LogLimit.h"
#include "base/PidFd.h"
#include "io/SocketPair.h"
#include "shm/Claims.h"
#include "support/CapturedLog.h"
#include "support/LeakCheck.h"

namespace Passenger {

class StoredDescriptorsTest : public LeakCheck {
    CPPUNIT_TEST_SUITE(StoredDescriptorsTest);
    CPPUNIT_TEST(testEntriesAreReturnedInTheOrderOfTheirFirstCall);
    CPPUNIT_TEST(testTheSameKeyReplacesAndClosesTheOldEntry);
    CPPUNIT_TEST(testARemovedEntryIsClosed);
    CPPUNIT_TEST(testAFullStoreTakesNoNewKeyButReplaces);
    CPPUNIT_TEST(testDescriptorsHaveALimit);
    CPPUNIT_TEST(testAFullStoreIsToldInFewLinesWithTheLimit);
    CPPUNIT_TEST(testBytesHaveALimit);
    CPPUNIT_TEST(testFilesAndConnectionsAreNotStorable);
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
        StoredDescriptors store({.entries = 2});
        DescriptorPair pipe = makePipe();
        const int fd = pipe.first.get();
        CPPUNIT_ASSERT(store.put({"a", "1", {}}));
        CPPUNIT_ASSERT(store.put({"b", "1", {}}));
        CPPUNIT_ASSERT(!put(store, "c", std::move(pipe.first)));
        CPPUNIT_ASSERT(!isOpen(fd));
        CPPUNIT_ASSERT(store.put({"a", "2", {}}));
        CPPUNIT_ASSERT_EQUAL(std::string("a2 b1 "), contents(store));
    }

    void testDescriptorsHaveALimit() {
        StoredDescriptors store({.descriptors = 2});
        DescriptorPair pipe = makePipe();
        CPPUNIT_ASSERT(put(store, "a", std::move(pipe.first)));
        CPPUNIT_ASSERT(put(store, "a", std::move(pipe.second)));
        pipe = makePipe();
        CPPUNIT_ASSERT(put(store, "b", std::move(pipe.first)));
        CPPUNIT_ASSERT(!put(store, "c", std::move(pipe.second)));
        CPPUNIT_ASSERT_EQUAL(std::string("a b "), contents(store));
        store.remove("a");
        pipe = makePipe();
        CPPUNIT_ASSERT(put(store, "c", std::move(pipe.first)));
        store.clear();
        CPPUNIT_ASSERT(put(store, "d", std::move(pipe.second)));
    }

    void testAFullStoreIsToldInFewLinesWithTheLimit() {
        const CapturedLog log;
        StoredDescriptors store({.descriptors = 0});
        for (unsigned i = 0; i < 3 * LogLimit::LINES; ++i) {
            put(store, "a", makePipe().first);
        }
        CPPUNIT_ASSERT_EQUAL(unsigned{LogLimit::LINES}, log.count("event=store.full key=\"a\" deposits=0"));
        CPPUNIT_ASSERT_EQUAL(unsigned{LogLimit::LINES}, log.count("RLIMIT_NOFILE of unit_tests"));
    }

    void testBytesHaveALimit() {
        StoredDescriptors store({.bytes = 8});
        CPPUNIT_ASSERT(store.put({"a", "123", {}}));
        CPPUNIT_ASSERT(!store.put({"b", "1234", {}}));
        CPPUNIT_ASSERT(!store.put({"a", "12345678", {}}));
        CPPUNIT_ASSERT(store.put({"a", "1", {}}));
        CPPUNIT_ASSERT(store.put({"b", "12345", {}}));
        store.remove("b");
        CPPUNIT_ASSERT(store.put({"c", "12345", {}}));
        CPPUNIT_ASSERT_EQUAL(std::string("a1 c12345 "), contents(store));
    }

    void testFilesAndConnectionsAreNotStorable() {
        const DescriptorPair pipe = makePipe();
        const DescriptorPair sockets = makeStreamPair();
        const Claims claims;
        CPPUNIT_ASSERT(isStorable(pipe.first) && isStorable(pipe.second));
        CPPUNIT_ASSERT(isStorable(sockets.first) && isStorable(claims.memory().descriptor()));
        CPPUNIT_ASSERT(isStorable(openPidFd(::getpid())));
        CPPUNIT_ASSERT(!isStorable(FileDescriptor(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC))));
        CPPUNIT_ASSERT(!isStorable(FileDescriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))));
        CPPUNIT_ASSERT(!isStorable(makeEventDescriptor()));
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
