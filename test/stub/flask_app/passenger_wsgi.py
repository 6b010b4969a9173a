from flask import Flask, Response, jsonify, request

application = app = Flask(__name__)


@app.route("/")
def hello():
    return "hello from Flask"


@app.route("/client")
def client():
    return jsonify(path=request.full_path, address=request.remote_addr, url=request.url)


@app.route("/echo", methods=["POST"])
def echo():
    return Response(request.get_data(), mimetype="application/octet-stream")


@app.route("/pieces")
def pieces():
    return Response(("piece %d\n" % i for i in range(3)), mimetype="text/plain")


@app.route("/raises")
def raises():
    raise RuntimeError("out of order")
