#include "support/PoolFixture.h"

#include <vector>

#include "support/Eventually.h"

namespace Passenger {

void PoolFixture::setUp() {
    LeakCheck::setUp();
    log_ = std::make_unique<CapturedLog>();
    loop_ = std::make_unique<EventLoop>();
    channels_ = std::make_unique<ChannelRegistry>(*loop_);
    factory_ = std::make_unique<DummySpawnerFactory>(DummyInstances::Driven::BY_HAND, clock_);
    PoolSettings settings;
    settings.maxSize = 3;
    settings.idleTime = std::chrono::seconds(60);
    makePool(parts(), settings);
}

void PoolFixture::tearDown() {
    factory_->release();
    endPool();
    factory_.reset();
    channels_.reset();
    loop_.reset();
    log_.reset();
    LeakCheck::tearDown();
}

Pool::Parts PoolFixture::parts() {
    return {*loop_, *factory_, *channels_, clock_, store_, cpu_, false};
}

void PoolFixture::makePool(const Pool::Parts &parts, const PoolSettings &settings) {
    endPool();
    pool_ = std::make_unique<Pool>(parts, settings);
    requests_ = std::make_unique<PoolRequests>(*pool_, factory_->instances(), *loop_);
}

void PoolFixture::endPool() {
    requests_.reset();
    pool_.reset();
}

Options PoolFixture::app(const std::string &root) {
    Options options;
    options.appRoot = root;
    options.minInstances = 0;
    return options;
}

AnswerPtr PoolFixture::ask(const Options &options) {
    AnswerPtr answer = requests_->ask(options);
    step();
    return answer;
}

HeldPtr PoolFixture::get(const Options &options) {
    return ask(options)->session();
}

void PoolFixture::warmUp(unsigned instances, const Options &options) {
    std::vector<AnswerPtr> answers;
    for (unsigned i = 0; i < instances; i++) {
        answers.push_back(ask(options));
    }
    std::vector<HeldPtr> requests;
    requests.reserve(answers.size());
    for (const AnswerPtr &answer : answers) {
        requests.push_back(answer->session());
    }
}

void PoolFixture::setMax(unsigned max) {
    pool_->setMax(max);
    step();
}

void PoolFixture::step() const {
    if (requests_) {
        requests_->step();
    }
}

void PoolFixture::upkeep() {
    pool_->upkeep();
    step();
}

void PoolFixture::advance(std::chrono::nanoseconds time, std::chrono::nanoseconds step) {
    for (std::chrono::nanoseconds passed{0}; passed < time; passed += step) {
        clock_.advance(step);
        upkeep();
    }
}

unsigned PoolFixture::count() const {
    step();
    return pool_->getCount();
}

bool PoolFixture::eventuallyCount(unsigned count) const {
    return eventually([&] { return this->count() == count; });
}

std::size_t PoolFixture::made() const {
    return factory_->instances().count();
}

void PoolFixture::die(std::size_t index) {
    factory_->instances().at(index).die();
    step();
}

}  // namespace Passenger
