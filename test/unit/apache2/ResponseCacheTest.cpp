#include "apache2/response/ResponseCache.h"

#include <cppunit/extensions/HelperMacros.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "shm/GenerationTable.h"
#include "shm/GenerationTableView.h"

namespace Passenger {

using namespace std::chrono_literals;

class ResponseCacheTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(ResponseCacheTest);
    CPPUNIT_TEST(testAStoredAnswerIsFoundUnchanged);
    CPPUNIT_TEST(testAnAnswerIsFoundAsLongAsItIsFresh);
    CPPUNIT_TEST(testKeysAreKeptApart);
    CPPUNIT_TEST(testAChangeOfTheUrlInvalidatesTheAnswer);
    CPPUNIT_TEST(testAnAnswerRequestedBeforeAChangeIsNotFound);
    CPPUNIT_TEST(testANewVersionInvalidatesTheAnswers);
    CPPUNIT_TEST(testTheLeastRecentlyUsedAnswerIsReplaced);
    CPPUNIT_TEST(testATooLargeAnswerIsNotStored);
    CPPUNIT_TEST(testWithoutSharedMemoryNothingIsStored);
    CPPUNIT_TEST(testManyThreadsUseTheCache);
    CPPUNIT_TEST_SUITE_END();

public:
    void testAStoredAnswerIsFoundUnchanged() {
        CPPUNIT_ASSERT(cache_.untouched());
        CPPUNIT_ASSERT(!find("key"));
        store("key", "body");
        CPPUNIT_ASSERT(!cache_.untouched());
        const auto found = find("key");
        CPPUNIT_ASSERT(found);
        CPPUNIT_ASSERT_EQUAL(200, found->status);
        CPPUNIT_ASSERT_EQUAL(std::string("X: y\r\n"), found->head);
        CPPUNIT_ASSERT_EQUAL(std::string("body"), found->body);
        store("key", "newer");
        CPPUNIT_ASSERT_EQUAL(std::string("newer"), find("key")->body);
        CPPUNIT_ASSERT_EQUAL(std::string("body"), found->body);
    }

    void testAnAnswerIsFoundAsLongAsItIsFresh() {
        store("key", "body");
        now_ += 10s - 1ns;
        CPPUNIT_ASSERT(find("key"));
        now_ += 1ns;
        CPPUNIT_ASSERT(!find("key"));
    }

    void testKeysAreKeptApart() {
        store("a", "body of a");
        CPPUNIT_ASSERT(!find("b"));
        CPPUNIT_ASSERT(!find(""));
    }

    void testAChangeOfTheUrlInvalidatesTheAnswer() {
        store("key", "body");
        cache_.changes().add("another url");
        CPPUNIT_ASSERT(find("key"));
        cache_.changes().add("url");
        CPPUNIT_ASSERT(!find("key"));
    }

    void testAnAnswerRequestedBeforeAChangeIsNotFound() {
        const std::uint32_t before = cache_.changes().of("url");
        cache_.changes().add("url");
        cache_.store("key", before, answer("body"));
        CPPUNIT_ASSERT(!find("key"));
    }

    void testANewVersionInvalidatesTheAnswers() {
        table_.publish(3, Generation(8), {});
        store("key", "body");
        CPPUNIT_ASSERT(!find("key"));
        table_.publish(3, Generation(7), {});
        store("key", "body");
        CPPUNIT_ASSERT(find("key"));
        table_.publish(3, Generation(0), {});
        CPPUNIT_ASSERT(!find("key"));
        table_.publish(3, Generation(7), {});
        CPPUNIT_ASSERT(!find("key"));
    }

    void testTheLeastRecentlyUsedAnswerIsReplaced() {
        for (std::size_t i = 0; i < ResponseCache::MAX_ENTRIES; ++i) {
            store(std::to_string(i), "body");
        }
        CPPUNIT_ASSERT(find("0"));
        store("one more", "body");
        CPPUNIT_ASSERT(find("0"));
        CPPUNIT_ASSERT(!find("1"));
        CPPUNIT_ASSERT(find("2"));
    }

    void testATooLargeAnswerIsNotStored() {
        store("key", std::string(ResponseCache::MAX_BODY, 'x'));
        CPPUNIT_ASSERT(find("key"));
        store("larger", std::string(ResponseCache::MAX_BODY + 1, 'x'));
        CPPUNIT_ASSERT(!find("larger"));
        const std::string longKey(ResponseCache::MAX_KEY + 1, 'k');
        store(longKey, "body");
        CPPUNIT_ASSERT(!find(longKey));
    }

    void testWithoutSharedMemoryNothingIsStored() {
        ResponseCache cache{ResponseCache::Changes(nullptr)};
        cache.store("key", 0, answer("body"));
        CPPUNIT_ASSERT(cache.untouched());
    }

    void testManyThreadsUseTheCache() {
        std::vector<std::thread> threads;
        threads.reserve(4);
        for (int thread = 0; thread < 4; ++thread) {
            threads.emplace_back([this] {
                for (int i = 0; i < 2'000; ++i) {
                    const std::string key = std::to_string(i % 50);
                    if (const auto found = find(key)) {
                        CPPUNIT_ASSERT_EQUAL(key, found->body);
                    } else {
                        store(key, key);
                    }
                    cache_.changes().add(std::to_string(i % 7));
                }
            });
        }
        for (std::thread &thread : threads) {
            thread.join();
        }
    }

private:
    ResponseCache::AnswerPtr find(const std::string &key) { return cache_.find(key, "url", now_); }

    ResponseCache::AnswerPtr answer(const std::string &body) const {
        return std::make_shared<ResponseCache::Answer>(
            ResponseCache::Answer{200, "X: y\r\n", body, AppVersion{&view_, 3, Generation(7), -1}, now_, now_ + 10s});
    }

    void store(const std::string &key, const std::string &body) {
        cache_.store(key, cache_.changes().of("url"), answer(body));
    }

    static GenerationTable &published(GenerationTable &table) {
        table.publish(3, Generation(7), {});
        return table;
    }

    ResponseCache::Changes::Counters counters_{};
    ResponseCache cache_{ResponseCache::Changes(&counters_)};
    GenerationTable table_;
    GenerationTableView view_{published(table_).memory().descriptor()};
    MonotonicTime now_;
};

CPPUNIT_TEST_SUITE_REGISTRATION(ResponseCacheTest);

}  // namespace Passenger
