"""The commands and programs of the DB Audit document. Only the SDK names are Keyway's."""

USE_KEY = r"""curl -X GET "https://api.dbaudit.ai/v1/databases" \
-H "Authorization: Bearer YOUR_API_KEY" \
-H "Content-Type: application/json" """
USE_VARIABLE = r"""# Store your API key securely
export DBAUDIT_API_KEY="dbaudit_live_xxxxxxxxxxxxxxxx"
# Use in your application
curl -X GET "https://api.dbaudit.ai/v1/databases" \
-H "Authorization: Bearer $DBAUDIT_API_KEY" """
AUTHORIZE = """https://api.dbaudit.ai/oauth/authorize?
client_id=YOUR_CLIENT_ID&
redirect_uri=https://yourapp.com/callback&
response_type=code&
scope=read:databases write:policies"""
EXCHANGE = r"""curl -X POST "https://api.dbaudit.ai/oauth/token" \
-H "Content-Type: application/x-www-form-urlencoded" \
-d "grant_type=authorization_code&
code=AUTHORIZATION_CODE&
client_id=YOUR_CLIENT_ID&
client_secret=YOUR_CLIENT_SECRET&
redirect_uri=https://yourapp.com/callback" """.replace("&\n", "&")
TOKEN = r"""curl -X POST "https://api.dbaudit.ai/oauth/token" \
-H "Content-Type: application/x-www-form-urlencoded" \
-d "grant_type=GRANT&client_id=YOUR_CLIENT_ID&client_secret=YOUR_CLIENT_SECRET" """
LOGIN = r"""curl -X POST "https://api.dbaudit.ai/v1/auth/login" \
-H "Content-Type: application/json" \
-d '{
"email": "user@example.com",
"password": "your_password"
}'"""
REFRESH = r"""curl -X POST "https://api.dbaudit.ai/v1/auth/refresh" \
-H "Content-Type: application/json" \
-d '{
"refresh_token": "eyJhbGciOiJSUzI1NiIs..."
}'"""
PYTHON = """
import keyway
# Initialize with API key
client = keyway.Client(api_key="dbaudit_live_xxxxxxxx")
print(client.whoami().name)
# Or use environment variable (recommended)
client = keyway.Client()
# Make authenticated requests
print(next(client.activity.list()).id)
"""
NODE = """
import { Keyway } from '@keyway/sdk';
// Initialize with API key
const explicit = new Keyway({
apiKey: 'dbaudit_live_xxxxxxxx',
});
console.log((await explicit.whoami()).name);
// Or use environment variable (recommended)
const client = new Keyway();
// Make authenticated requests
const activity = await client.activity.list();
console.log(activity.data[0].id);
"""
# "Implement exponential backoff and retry": the first client never retries and is denied;
# the second retries by default and gets through.
PATIENT_PYTHON = """
import keyway
hasty, patient = keyway.Client(max_retries=0), keyway.Client()
try:
    while True:
        hasty.whoami()
except keyway.RateLimited as refused:
    print(refused.code, refused.retry_after >= 1)
print(patient.whoami().name)
"""
PATIENT_NODE = """
import { Keyway, RateLimitedError } from '@keyway/sdk';
const [hasty, patient] = [new Keyway({ maxRetries: 0 }), new Keyway()];
try {
  for (;;) await hasty.whoami();
} catch (refused) {
  console.log(refused.code, refused instanceof RateLimitedError && refused.retryAfter >= 1);
}
console.log((await patient.whoami()).name);
"""
