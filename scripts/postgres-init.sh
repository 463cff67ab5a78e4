# Sourced by the Postgres image once, after initdb: from the next start on, who may connect is what the policy says and nothing else.
printf 'include /everseal/postgres/pg_hba.conf\n' > "$PGDATA/pg_hba.conf"
