export async function POST(request) {
  const body = await request.json();
  const url = new URL(request.url);
  return Response.json({ greeting: `hello ${body.name}`, path: url.pathname, query: url.search });
}
