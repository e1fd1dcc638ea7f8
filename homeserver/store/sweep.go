package store

import (
	"context"
	"database/sql"
)

// sweep removes the events that no server has.
func (d *disk) sweep() error {
	live := map[int64]bool{}
	for _, table := range []string{"facts", "records"} {
		err := each(d.conn, "SELECT events FROM "+table, func(list []byte) error {
			numbers, err := numbersIn(list)
			for _, num := range numbers {
				live[num] = true
			}
			return err
		})
		if err != nil {
			return explain(d.file, err)
		}
	}
	var dead []int64
	err := each(d.conn, "SELECT num FROM events", func(num int64) error {
		if !live[num] {
			dead = append(dead, num)
		}
		return nil
	})
	if err != nil {
		return explain(d.file, err)
	}
	return d.remove(dead)
}

// remove deletes events.
func (d *disk) remove(numbers []int64) error {
	ctx := context.Background()
	if _, err := d.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return explain(d.file, err)
	}
	for _, num := range numbers {
		if _, err := d.conn.ExecContext(ctx, "DELETE FROM events WHERE num = ?", num); err != nil {
			_, _ = d.conn.ExecContext(ctx, "ROLLBACK") // the first error says more
			return explain(d.file, err)
		}
	}
	_, err := d.conn.ExecContext(ctx, "COMMIT")
	return explain(d.file, err)
}

// each runs a query that has one column.
func each[T any](conn *sql.Conn, query string, look func(T) error) error {
	rows, err := conn.QueryContext(context.Background(), query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var value T
		if err := rows.Scan(&value); err != nil {
			return err
		}
		if err := look(value); err != nil {
			return err
		}
	}
	return rows.Err()
}
