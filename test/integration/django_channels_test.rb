# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/web_socket_client"

# Django Channels: pages of Django, and WebSockets that share the groups of one process.
class DjangoChannelsTest < IntegrationTest
  PYTHON = "/usr/bin/python3"
  CHANNELS = system("#{PYTHON} -c 'import channels, wsproto' >/dev/null 2>&1")

  ROOM = <<~'PYTHON'
    import django
    from channels.generic.websocket import AsyncJsonWebsocketConsumer, WebsocketConsumer
    from channels.routing import ProtocolTypeRouter, URLRouter
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpResponse
    from django.urls import path

    settings.configure(
        ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="key",
        CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    )
    django.setup()
    left = []

    class Room(AsyncJsonWebsocketConsumer):
        async def connect(self):
            await self.channel_layer.group_add("room", self.channel_name)
            await self.accept()

        async def disconnect(self, code):
            left.append(code)
            await self.channel_layer.group_discard("room", self.channel_name)

        async def receive_json(self, content):
            await self.channel_layer.group_send("room", {"type": "told", "text": content["text"]})

        async def told(self, event):
            await self.send_json({"told": event["text"]})

    # Runs in a thread.
    class Upper(WebsocketConsumer):
        def receive(self, text_data=None, bytes_data=None):
            self.send(text_data=text_data.upper())

    class Closed(WebsocketConsumer):
        def connect(self):
            self.close()

    urlpatterns = [path("", lambda request: HttpResponse("a page")),
                   path("left", lambda request: HttpResponse(repr(left)))]
    application = ProtocolTypeRouter({
        "http": get_asgi_application(),
        "websocket": URLRouter([path("room", Room.as_asgi()), path("upper", Upper.as_asgi()),
                                path("closed", Closed.as_asgi())]),
    })
  PYTHON

  serve do |made|
    if CHANNELS
      made.site("room.test", SampleApps.written(ROOM, "passenger_asgi.py"),
                "PassengerPython #{PYTHON}\nPassengerMaxInstances 1\n")
    end
  end

  def setup
    skip "install the packages python3-django-channels and python3-wsproto" unless CHANNELS
  end

  def test_pages_and_web_sockets_are_served_beside_each_other
    first, second = Array.new(2) { open("/room") }
    assert_equal "a page", client("room.test").get("/").body
    first.say('{"text": "hello"}')
    assert_equal ['{"told": "hello"}'] * 2, [first.hear, second.hear]
    first.close
    eventually("the first one has left") { client("room.test").get("/left").body == "[1000]" }
    second.say('{"text": "alone"}')
    assert_equal '{"told": "alone"}', second.hear
    second.close
  end

  def test_consumers_in_threads_are_served
    socket = open("/upper")
    long = "räksmörgås " * 10_000
    assert_equal ["HELLO", long.upcase], ["hello", long].map { |text| socket.say(text).hear }
    socket.close
  end

  def test_a_consumer_may_refuse
    assert_equal 403, open("/closed").status
  end

  private

  def open(path)
    WebSocketClient.new(server.port, "room.test", path)
  end
end
